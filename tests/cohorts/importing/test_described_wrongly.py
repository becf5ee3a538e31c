"""Slips in study.toml and in the tables beside it, each refused in its whole sentence."""

from __future__ import annotations

import pytest

from cohorts.ingest.study.description import UnusableStudy, parse_study
from tests.cohorts.importing.study_folder import TOML, edit, refused

SITES = TOML[TOML.index("[[site]]") : TOML.index("[participants]")]
COLUMNS = TOML[TOML.index("[participants.columns]") : TOML.index("[samples]")]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"Two towns"', '"二つの町"', "the title gives no code; add `code` in Latin letters."),
        (SITES, "", "no [[site]] is described; add one with its code, name, country and where."),
        ('country = "NO"', 'country = "no"', '[[site]] 1: country "no" is not two capitals, such'),
        (
            'where = { town = "south" }\n',
            "",
            "[[site]] SOU has no `where`; say which rows are its, such as where = { cohort = "
            '"yachida" }.',
        ),
        (
            COLUMNS,
            "\n",
            "[participants]: `columns` is missing; map them, such as columns = { participant = "
            '"id" }.',
        ),
        (
            "values = { group",
            "values = { ward",
            "[participants]: `values` reads ward, which `columns` does not name; add it there.",
        ),
        (
            'unit = "relative"',
            'unit = "relative"\nfeatures = ["f1"]\nleave_out = ["f2"]',
            "[[assays]] 1: `features` and `leave_out` are both given; keep one.",
        ),
        (
            '{ name = "column", ',
            "{ ",
            "[features]: `columns` lacks `name`: the column that holds the headers of the tables.",
        ),
        ('"Two towns"', "2", '`title` is 2; write a text, such as title = "...".'),
        (
            "[consent]",
            'consent = "all"\n[other]',
            "`consent` is 'all'; write it as a section: [consent].",
        ),
        (
            "= 2020-01-01\nbasis",
            '= "2020"\nbasis',
            "[consent]: `signed_on` is not a date; write signed_on = 2020-01-31, without quotes.",
        ),
        (
            'scopes = ["store_samples", "metabolomics", "share_consortium"]',
            'scopes = "metabolomics"',
            '[consent]: `scopes` is not a list of texts; write scopes = ["...", "..."].',
        ),
        (
            SITES,
            '[site]\ncode = "NOR"\n',
            "`site` is not a list of sections; write [[site]] before each.",
        ),
        (
            '{ town = "north" }',
            "{ town = { a = 1 } }",
            "[[site]] 1: `where`: town is not a cell or a list of cells.",
        ),
        (
            'values = { group = { "1" = "ill", "0" = "well" } }',
            'values = { group = "ill" }',
            '[participants]: `values`: group is not a table; write group = { "1" = "case" }.',
        ),
        (
            "{ enrolled_on = 2020-01-01 }",
            "{ enrolled_on = [2020-01-01] }",
            "[participants]: `defaults`: enrolled_on is not a single value.",
        ),
        (
            'where = { town = "north" }',
            'where = "north"',
            "[[site]] 1: `where` is 'north'; write it as where = { name = \"...\" }.",
        ),
    ],
)
def test_a_slip_in_the_description_is_told_whole(old, new, sentence):
    assert old in TOML
    with pytest.raises(UnusableStudy) as refusal:
        parse_study(TOML.replace(old, new, 1).encode())
    assert f"study.toml: {sentence}" in str(refusal.value)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("file", "old", "new", "sentence"),
    [
        (
            "study.toml",
            'sample = "tube"\nunit',
            'sample = "tub"\nunit',
            "north.csv: column tub: the table has no such column; name the one that holds the "
            "sample in `sample`.",
        ),
        (
            "study.toml",
            'file = "north.csv"',
            'file = "south.csv"',
            "south.csv: no row is of a participant of site NOR; correct `site` or `sample`.",
        ),
        (
            "study.toml",
            'zero_means = "below_lod"',
            'leave_out = ["f9"]',
            "north.csv: column f9: `leave_out` names a column that the table does not have",
        ),
        (
            "study.toml",
            'name = "column"',
            'name = "header"',
            "features.csv: column header: the table has no such column, which `name` is read "
            "from; correct [features].",
        ),
        (
            "people.csv",
            "s2,ts2,south",
            "s2,ts2,east",
            "column town: the row belongs to no [[site]]; add the site, or take the row out.",
        ),
        (
            "study.toml",
            '{ town = "south" }',
            '{ town = ["south", "north"] }',
            "the row belongs to two [[site]]; part their `where`.",
        ),
        (
            "study.toml",
            '"Alter"',
            '"Age"',
            "people.csv: column Age: the table has no such column, which age_years is read from",
        ),
        (
            "study.toml",
            '"Northtown"\ncountry = "NO"\nwhere = { town',
            '"Northtown"\ncountry = "NO"\nwhere = { tow',
            "column tow: people.csv has no such column, which `where` of the sites asks for",
        ),
        (
            "study.toml",
            "{ enrolled_on",
            "{ enroled_on",
            "column enroled_on: `defaults` names a column that such tables do not have",
        ),
        (
            "study.toml",
            '"1" = "ill", "0" = "well"',
            '"2" = "ill", "3" = "well"',
            "people.csv: `values` leaves out every row of site SOU; correct it.",
        ),
    ],
)
def test_a_slip_in_the_tables_is_told_whole(folder, file, old, new, sentence):
    edit(folder, file, old, new)
    assert sentence in refused(folder)
