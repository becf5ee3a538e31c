"""A whole cohort is brought in from its folder, or not at all."""

import io
import json
from datetime import date

import pytest
from django.core.management import call_command

from analysis.models import Plan
from cohorts.ingest.study import UnusableStudy, parse_study
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
from tests.factories import SiteFactory

pytestmark = pytest.mark.django_db

TOML = """
title = "Two towns"
platform = "GC-MS"
material = "serum"

[consent]
scopes = ["store_samples", "metabolomics", "share_consortium"]
signed_on = 2020-01-01
basis = "published data"

[[site]]
code = "NOR"
name = "Northtown"
country = "NO"
where = { town = "north" }

[[site]]
code = "SOU"
name = "Southtown"
where = { town = "south" }

[participants]
file = "people.csv"
defaults = { enrolled_on = 2020-01-01 }
values = { group = { "1" = "ill", "0" = "well" } }

[participants.columns]
participant = "id"
sex = "gender"
age_years = "Alter"
group = "ill"
grade = "grade"

[samples]
file = "people.csv"
columns = { sample = "tube", participant = "id" }

[[assays]]
site = "NOR"
file = "north.csv"
sample = "tube"
unit = "relative"
zero_means = "below_lod"

[[assays]]
site = "SOU"
file = "south.csv"
sample = "tube"
unit = "relative"
scale = "ln"

[features]
file = "features.csv"
columns = { name = "column", hmdb = "hmdb", site_where = "town", source_name = "compound" }

[plan]
case = ["ill"]
control = ["well"]
outcome = "grade"
covariates = ["age_years", "bmi"]
"""
PEOPLE = """id,tube,town,gender,Alter,ill,grade,bmi,ward
n1,tn1,north,M,31,1,3,22.5,a
n2,tn2,north,F,42,0,0,,b
n3,tn3,north,M,53,,2,27,c
s1,ts1,south,f,24,1,1,20,a
s2,ts2,south,m,35,0,0,21,b
"""
NORTH = "tube,f1,f2,f3\ntn1,1.5,0,7\ntn2,2.5,4,8\ntn3,3.5,5,9\n"
SOUTH = "tube,f1,g2,g3\nts1,-0.5,0.25,1\nts2,0.5,0,-1\n"
FEATURES = """column,town,compound,hmdb
f1,north,C1_Arg,HMDB0000517
f2,north,Mystery,HMDB00099
f3,north,Other,METPA0433
f1,south,mystery two,HMDB0000099
g2,south,ARGININE,hmdb00517
g3,south,Other,
"""


@pytest.fixture
def folder(tmp_path, reference):
    write(tmp_path, "study.toml", TOML)
    write(tmp_path, "people.csv", PEOPLE)
    write(tmp_path, "north.csv", NORTH)
    write(tmp_path, "south.csv", SOUTH)
    write(tmp_path, "features.csv", FEATURES)
    return tmp_path


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")


def edit(folder, name, old, new):
    text = (folder / name).read_text(encoding="utf-8")
    assert old in text
    write(folder, name, text.replace(old, new))


def import_study(folder, **options):
    """The JSON that the command prints."""
    out = io.StringIO()
    call_command("import_study", str(folder), json=True, stdout=out, **options)
    return json.loads(out.getvalue())


def refused(folder, code=1):
    """What the command says as it refuses."""
    err = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("import_study", str(folder), stderr=err, stdout=io.StringIO())
    assert ended.value.code == code
    assert not Study.objects.filter(code="two-towns").exists()
    return err.getvalue()


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
