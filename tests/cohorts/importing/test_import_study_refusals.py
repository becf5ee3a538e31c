"""A slip in the description or the tables of a study is named, and nothing is stored."""

from __future__ import annotations

import pytest

from cohorts.ingest.study.description import UnusableStudy, parse_study
from tests.cohorts.importing.study_folder import (
    SOUTH,
    TOML,
    edit,
    refused,
)
from tests.factories import SiteFactory

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("title =", "titel =", "`titel` is not a key of this section"),
        ('material = "serum"', "", "`material` is missing; write it."),
        ('code = "NOR"', 'code = "north!"', '[[site]] 1: code "north!" is not 2 to 12 capitals'),
        ('code = "SOU"', 'code = "NOR"', "two [[site]] have the code NOR"),
        ('where = { town = "south" }', "", "[[site]] SOU has no `where`"),
        ('site = "SOU"', 'site = "SUD"', "[[assays]] 2 is of site SUD"),
        ('scale = "ln"', 'scale = "loge"', '`scale`: "loge" is unknown'),
        ('zero_means = "below_lod"', 'zero_mean = "zero"', '(did you mean "zero_means"?)'),
        ("signed_on = 2020-01-01", 'signed_on = "2020"', "`signed_on` is not a date"),
        ('"metabolomics"', '"metabolomix"', '(did you mean "metabolomics"?)'),
        ('file = "north.csv"', 'file = "../north.csv"', "name a file in the folder"),
        ("[samples]", "[sample]", "the section [samples] is missing"),
        ("= {", "= (", "not TOML"),
    ],
)
def test_a_slip_in_the_description_is_named(old, new, said):
    with pytest.raises(UnusableStudy) as refusal:
        parse_study(TOML.replace(old, new, 1).encode())
    assert said in str(refusal.value)
    assert str(refusal.value).startswith("study.toml: ")


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("study.toml", '{ town = "south" }', '{ town = "east" }', "no row belongs to site SOU"),
        ("people.csv", "s2,ts2,south", "s2,ts2,sowth", "people.csv: row 6, column town: the row"),
        ("study.toml", '{ town = "north" }', '{ tow = "north" }', '(did you mean "town"?)'),
        ("study.toml", '"Alter"', '"alter"', "people.csv: column alter: the table has no such"),
        (
            "study.toml",
            'sample = "tube", ',
            "",
            "[samples] does not say which column is the sample",
        ),
        ("study.toml", "{ enrolled_on", "{ enroled_on", '(did you mean "enrolled_on"?)'),
        ("study.toml", '"bmi"', '"bim"', "the covariate 'bim' is no column of people.csv"),
        ("study.toml", '"grade"\ncov', '"HQ-99"\ncov', "the outcome 'HQ-99' is neither a column"),
        ("study.toml", 'case = ["ill"]', 'case = ["il"]', "nobody is in the group 'il' of `case`"),
        ("study.toml", 'case = ["ill"]', 'case = ["well"]', "is both case and control"),
        ("study.toml", '"0" = "well"', '"0" = "not ill"', 'the group "not ill" is no short name'),
        ("people.csv", "ward\n", "e-mail\n", "personal data are not taken"),
        ("study.toml", 'file = "south.csv"', 'file = "sud.csv"', "sud.csv: No such file"),
        ("south.csv", SOUTH, "", "south.csv is empty"),
        ("people.csv", ",22.5,", ",thin,", 'row 2, column bmi: "thin" is not a number'),
    ],
)
def test_a_slip_in_the_tables_is_named_with_its_file(folder, file, old, new, said):
    edit(folder, file, old, new)
    assert said in refused(folder)


def test_a_site_of_another_study_is_not_taken_over(folder):
    SiteFactory(code="NOR")
    assert "this code is a site of the study hikikomori" in refused(folder)


def test_a_folder_without_a_description_is_wrong_usage(tmp_path, reference):
    assert "study.toml: No such file" in refused(tmp_path / "nowhere", code=2)
