"""A whole cohort is brought in from its folder, or not at all."""

from __future__ import annotations

import io
from datetime import date

import pytest
from django.core.management import call_command

from analysis.models import Plan
from cohorts.models import (
    AssayRow,
    BatchFeature,
    Change,
    Consent,
    Feature,
    Participant,
    Sample,
    Site,
    Study,
    Upload,
)
from tests.cohorts.importing.study_folder import (
    TOML,
    edit,
    import_study,
    refused,
    write,
)

pytestmark = pytest.mark.django_db


def test_a_study_arrives_whole(folder):
    done = import_study(folder)
    assert (done["status"], done["study"]) == ("imported", "two-towns")
    study = Study.objects.get(code="two-towns")
    assert study.title == "Two towns"
    assert study.more_groups == ["ill", "well"]
    assert [(s.code, s.country) for s in study.sites.all()] == [("NOR", "NO"), ("SOU", "")]
    assert sorted(Participant.objects.values_list("code", flat=True)) == ["n1", "n2", "s1", "s2"]
    person = Participant.objects.get(code="n1")
    assert (person.sex, person.age_years, person.group) == ("male", 31, "ill")
    # Extra columns that were mapped, and those that the plan reads; nothing else.
    assert person.variables == {"grade": 3, "bmi": 22.5}
    assert Participant.objects.get(code="n2").variables == {"grade": 0}
    consent = Consent.objects.get(participant=person)
    assert (consent.basis, consent.signed_on) == ("published data", date(2020, 1, 1))
    assert {sample.material for sample in Sample.objects.all()} == {"serum"}
    assert AssayRow.objects.get(sample__code="tn1").values.tolist()[::2] == [1.5, 7]
    assert AssayRow.objects.get(sample__code="tn1").flags.tolist() == [0, 1, 0]
    plan = Plan.objects.get(name="two-towns")
    assert (plan.study, plan.parsed.case, plan.parsed.outcome) == (study, ("ill",), "grade")


def test_every_file_is_an_upload_and_every_site_has_one_change(folder):
    import_study(folder)
    uploads = Upload.objects.filter(site__study__code="two-towns")
    assert uploads.count() == 6
    assert set(uploads.values_list("status", flat=True)) == {"accepted"}
    changes = Change.objects.filter(study__code="two-towns")
    assert [(c.site.code, c.counts) for c in changes] == [
        ("NOR", {"participants": 2, "samples": 2, "assays": 2}),
        ("SOU", {"participants": 2, "samples": 2, "assays": 2}),
    ]


def test_rows_with_another_value_are_left_out_counted_and_named(folder):
    done = import_study(folder)
    assert done["left_out"] == [
        {
            "site": "NOR",
            "file": "people.csv",
            "column": "ill",
            "value": "",
            "n": 1,
            "participants": ["n3"],
        }
    ]
    assert not Sample.objects.filter(code="tn3").exists()


def test_samples_of_another_kind_are_left_out_with_their_values(folder):
    mapped = '"tube", participant = "id", material = "ward" }\n'
    values = 'values = { material = { a = "plasma", b = "serum" } }\n'
    edit(folder, "study.toml", '"tube", participant = "id" }\n', mapped + values)
    edit(folder, "people.csv", "20,a", "20,x")
    done = import_study(folder)
    assert [(e["column"], e["participants"]) for e in done["left_out"]] == [
        ("ill", ["n3"]),
        ("ward", ["s1"]),
    ]
    materials = dict(Sample.objects.values_list("code", "material"))
    assert materials == {"tn1": "plasma", "tn2": "serum", "ts2": "serum"}
    assert not AssayRow.objects.filter(label="ts1").exists()


def test_columns_are_joined_by_hmdb_and_never_by_their_names(folder):
    warnings = import_study(folder)["warnings"]
    columns = {
        (c.batch.site.code, c.source_name): c.feature
        for c in BatchFeature.objects.select_related("feature", "batch__site")
    }
    # The dictionary's name wins; five digits are seven; case does not matter.
    assert columns["NOR", "C1_Arg"].name == columns["SOU", "ARGININE"].name == "arginine"
    # f1 of both sites is one header and two things; an unknown identifier joins as well.
    assert columns["NOR", "Mystery"] == columns["SOU", "mystery two"]
    assert columns["NOR", "Mystery"].hmdb == "HMDB0000099"
    # Without an identifier one name is not one thing.
    names = {columns["NOR", "Other"].name, columns["SOU", "Other"].name}
    assert names == {"Other (NOR)", "Other (SOU)"}
    assert any("METPA0433" in w["message"] for w in warnings)
    assert any(
        " cells are not HMDB identifiers and join nothing: " in w["message"] for w in warnings
    )
    assert any("New features, which go to the review list: " in w["message"] for w in warnings)


def test_an_identifier_of_two_columns_joins_neither(folder):
    edit(folder, "features.csv", "f3,north,Other,METPA0433", "f3,north,Citrulline?,HMDB0000517")
    warnings = import_study(folder)["warnings"]
    assert any("C1_Arg, Citrulline?" in w["message"] for w in warnings)
    batch = BatchFeature.objects.filter(batch__site__code="NOR").select_related("feature")
    names = {column.source_name: column.feature.name for column in batch}
    assert (names["C1_Arg"], names["Citrulline?"]) == ("C1_Arg", "Citrulline?")
    assert Feature.objects.filter(hmdb="HMDB0000517").count() == 1


def test_without_a_features_table_equal_names_are_one_feature(folder):
    start, end = TOML.index("[features]"), TOML.index("[plan]")
    write(folder, "study.toml", TOML[:start] + TOML[end:])
    import_study(folder)
    assert Feature.objects.filter(name="f1").count() == 1
    assert BatchFeature.objects.filter(feature__name="f1").count() == 2


def test_all_faults_of_all_tables_are_told_and_nothing_is_stored(folder):
    edit(folder, "people.csv", "n1,tn1,north,M,31", "n1,tn1,north,X,131")
    edit(folder, "north.csv", "tn2,2.5", "tn2,-2.5")
    edit(folder, "south.csv", "ts2,0.5", "ts9,0.5")
    said = refused(folder)
    assert 'people.csv: row 2, column gender: "X" is not a known sex' in said
    assert 'people.csv: row 2, column Alter: "131" must be between 0 and 120' in said
    assert 'north.csv: row 3, column f1: "-2.5" is negative' in said
    assert 'south.csv: row 3, column tube: "ts9" is not a sample of SOU' in said
    assert "4 faults; nothing was stored." in said
    assert not Site.objects.filter(code="NOR").exists()
    assert not Upload.objects.exists()
    assert not Participant.objects.exists()


def test_a_second_import_changes_nothing(folder):
    import_study(folder)
    before = Change.objects.count(), Upload.objects.count(), Feature.objects.count()
    done = import_study(folder)
    assert done["status"] == "unchanged"
    assert done["plan"] == {"name": "two-towns", "version": 1, "new": False}
    assert (Change.objects.count(), Upload.objects.count(), Feature.objects.count()) == before


def test_another_plan_is_a_new_version_and_touches_no_table(folder):
    import_study(folder)
    edit(folder, "study.toml", 'control = ["well"]', 'control = ["well"]\ntau2 = "DL"')
    done = import_study(folder)
    assert done["plan"] == {"name": "two-towns", "version": 2, "new": True}
    assert not any(table["new"] for table in done["tables"])


def test_a_later_table_leads_to_the_same_features(folder):
    import_study(folder)
    more = (
        '[[assays]]\nsite = "SOU"\nfile = "more.csv"\nsample = "tube"\nscale = "ln"\n\n[features]'
    )
    edit(folder, "study.toml", "[features]", more)
    write(folder, "more.csv", "tube,g2,g3\nts1,0.1,0.2\nts2,0.3,0.4\n")
    done = import_study(folder)
    assert [t["file"] for t in done["tables"] if t["new"]] == ["more.csv"]
    later = BatchFeature.objects.filter(batch__upload__filename="more.csv")
    assert set(later.values_list("feature__name", flat=True)) == {"arginine", "Other (SOU)"}


def test_a_file_is_not_taken_again_under_another_description(folder):
    import_study(folder)
    edit(folder, "study.toml", 'scale = "ln"', 'scale = "log10"')
    err = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("import_study", str(folder), stderr=err)
    assert "south.csv: assays of SOU were taken from this very file under another" in err.getvalue()


def test_a_dry_run_reports_and_stores_nothing(folder):
    done = import_study(folder, dry_run=True)
    assert done["status"] == "dry-run"
    assert {t["rows"] for t in done["tables"]} == {2}
    assert not Study.objects.filter(code="two-towns").exists()
    assert not Change.objects.exists()


def test_one_table_of_all_sites_goes_where_its_samples_are(folder):
    start, end = TOML.index("[[assays]]"), TOML.index("[plan]")
    described = """[[assays]]
file = "all.csv"
sample = "tube"
leave_out = ["note"]
missing = { chol = [0, 999] }

[features]
file = "units.csv"
columns = { name = "column", unit = "unit" }

"""
    write(folder, "study.toml", TOML[:start] + described + TOML[end:])
    write(folder, "units.csv", "column,unit\nchol,mg/dL\n")
    rows = "tn1,200,x\ntn3,1,x\nts1,0.0,y\nts2,999,z\ntn2,180,x\n"
    write(folder, "all.csv", "tube,chol,note\n" + rows)
    done = import_study(folder)
    assert any("2 cells are 0 or 999, taken as missing" in w["message"] for w in done["warnings"])
    assert AssayRow.objects.filter(batch__site__code="NOR").count() == 2
    assert AssayRow.objects.get(sample__code="ts2").flags.tolist() == [2]
    column = BatchFeature.objects.filter(batch__site__code="NOR").get()
    assert (column.unit, column.lod) == ("mg/dL", None)


def test_a_table_of_all_sites_may_be_named_once_a_site(folder):
    start, end = TOML.index("[[assays]]"), TOML.index("[plan]")
    entry = '[[assays]]\nsite = "{}"\nfile = "all.csv"\nsample = "tube"\n\n'
    described = entry.format("NOR") + entry.format("SOU")
    write(folder, "study.toml", TOML[:start] + described + TOML[end:])
    write(folder, "all.csv", "tube,f1\ntn1,1\ntn2,2\nts1,3\nts2,4\n")
    import_study(folder)
    rows = AssayRow.objects.order_by("label").values_list("batch__site__code", "label")
    assert list(rows) == [("NOR", "tn1"), ("NOR", "tn2"), ("SOU", "ts1"), ("SOU", "ts2")]
