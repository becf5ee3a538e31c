"""A REDCap project sent like any other table: its data beside its own data dictionary."""

from datetime import date

import pandas as pd
import pytest
from django.core.management import call_command

from cohorts.errors import UnusableRequest
from cohorts.models import Participant, Upload
from cohorts.services import dictionaries, uploads
from cohorts.services.tables import files, mappings, sent_tables, two_steps
from cohorts.services.tables.sent_tables import SentTable
from tests.cohorts.test_context_variables import FIELDS, HEADER
from tests.cohorts.test_two_steps import cells, counts, told
from tests.factories import SiteFactory, StudyFactory, user_with

pytestmark = pytest.mark.django_db

PROJECT = (
    HEADER
    + "record_id,people,text,Code,,,,,,,\n"
    + "first_name,people,text,First name,,,,,y,,\n"
    + "dob,people,text,Born on,,date_ymd,,,,,\n"
    + 'sex,people,radio,Sex,"1, Female | 2, Male",,,,,,\n'
    + 'arm_of_study,people,radio,Group,"1, Hikikomori | 2, Healthy control",,,,,,\n'
    + "enrolled_on,people,text,Enrolled on,,date_ymd,,,,,\n"
    + 'work,context,radio,Works now,"0, no | 1, yes",,,,,,y\n'
    + "work_hours,context,text,Hours a week,,integer,0,80,,[work] = '1',y\n"
    + "mood,context,text,Mood today,,integer,0,10,,,\n"
    + "smoker,context,yesno,Smokes,,,,,,,\n"
    + "story,context,notes,In their own words,,,,,,,\n"
)
DATA = (
    "record_id,redcap_event_name,first_name,dob,sex,arm_of_study,enrolled_on,people_complete,"
    "work,work_hours,mood,smoker,story,context_complete\n"
    "P1,start_arm_1,Kenji,1990-02-01,2,1,2024-04-01,2,,,4,1,,0\n"
    "P1,later_arm_1,,,,,,,1,20,6,,I stay in,2\n"
    "P2,start_arm_1,Aya,1985-02-01,1,2,2024-04-02,2,0,,5,0,,2\n"
)
MAPPING = {"group": "arm_of_study"}


@pytest.fixture
def site(reference, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
    here = SiteFactory(code="FUK", study=StudyFactory())
    fields = FIELDS + "mood,context,text,Mood,,integer,0,10,,,\n"
    dictionaries.add(here.study_id, (HEADER + fields).encode(), by=user_with("CD"), after=0)
    here.column_mappings.create(kind="redcap", columns=MAPPING)
    return here


def checked(site, data=DATA, project=PROJECT, by=None):
    sent = SentTable("redcap", data.encode(), "project.csv", dictionary=project.encode())
    return two_steps.check(site, sent, by=by)


def accepted(site, data=DATA, reason="as in REDCap"):
    return two_steps.accept(checked(site, data).pk, by=None, reason=reason)


def test_a_project_enrols_its_people_with_their_context(site):
    seen = checked(site)
    assert counts(seen) == (2, 0, 0)
    two_steps.accept(seen.pk, by=None)
    one, two = Participant.objects.order_by("code")
    assert (one.sex, one.group, f"{one.enrolled_on}") == ("male", "hikikomori", "2024-04-01")
    assert one.variables == {"work": 1.0, "work_hours": 20.0}
    assert (two.group, two.variables) == ("healthy_control", {"work": 0.0})


def test_what_names_a_person_is_stored_nowhere_and_told(site):
    seen = accepted(site)
    content = files.read(seen.sha256).decode()
    assert not [text for text in ("Kenji", "1990-02-01", "I stay in") if text in content]
    assert [w["text"] for w in seen.report["warnings"]][:3] == [
        "Marked as identifiers, so neither read nor kept: first_name.",
        "Personal though not marked as identifiers, so neither read nor kept: dob.",
        "Free text or files, so neither read nor kept: story.",
    ]


def test_what_is_not_taken_is_named(site):
    said = [w["text"] for w in checked(site).report["warnings"]]
    assert (
        "Other values at other visits of one person, so not taken: mood. Send them with the day "
        "in a table of questionnaires." in said
    )
    assert "Not in the study's dictionary, so not taken: smoker." in said


def test_the_project_sent_again_corrects_with_a_reason(site):
    accepted(site)
    again = checked(site, DATA.replace(",1,20,", ",1,25,"))
    assert cells(again) == [(2, "P1", "variable:work_hours", "20", "25")]
    with pytest.raises(UnusableRequest, match="Say why the values on the books are corrected"):
        two_steps.accept(again.pk, by=None)
    two_steps.accept(again.pk, by=None, reason="misread")
    assert Participant.objects.get(code="P1").variables["work_hours"] == 25.0


def test_people_on_the_books_need_no_columns_that_enrol(site):
    accepted(site)
    data = "record_id,work,work_hours\nP1,0,\nP2,0,\n"
    seen = checked(site, data)
    assert counts(seen) == (0, 1, 1)
    two_steps.accept(seen.pk, by=None, reason="lost the job")
    one = Participant.objects.get(code="P1")
    assert (one.variables, one.sex, one.group) == ({"work": 0.0}, "male", "hikikomori")
    stranger = checked(site, data + "P3,0,\n")
    assert stranger.status == Upload.Status.REJECTED
    assert (
        "column enrolled_on: the table has no such column; add it, or map the name that you use "
        "to it." in told(stranger)
    )


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            ",1,20,",
            ",1,200,",
            'row 3, column work_hours: "200" must be between 0 and 80; check the value.',
        ),
        (
            ",1,20,",
            ",0,20,",
            'row 3, column work_hours: "20" is given, but the dictionary asks work_hours only if '
            "[work] = '1'; empty this cell or correct the other.",
        ),
        (
            "2024-04-02",
            "2024-13-02",
            'row 4, column enrolled_on: "2024-13-02" is no day of the calendar; '
            "check month and day.",
        ),
        (
            "later_arm_1",
            "start_arm_1",
            "row 3, column participant: the same record, event and instance as row 2; keep one.",
        ),
        (
            "Aya,1985-02-01,1,",
            "Aya,1985-02-01,3,",
            'row 4, column sex: "3" is not a known sex; known are female, male, intersex, unknown.',
        ),
    ],
)
def test_a_bad_cell_is_named_where_it_stands_in_the_export(site, old, new, sentence):
    assert old in DATA
    seen = checked(site, DATA.replace(old, new, 1))
    assert seen.status == Upload.Status.REJECTED
    assert told(seen) == [sentence]
    assert not Participant.objects.exists()


@pytest.mark.parametrize(
    ("data", "project", "sentence"),
    [
        (DATA, "", "Send the project's data dictionary beside its data"),
        (DATA, "name,form\nx,y\n", "no column .* send the data dictionary as REDCap exports it"),
        (DATA.replace("smoker", "nobody"), PROJECT, 'the dictionary does not have "nobody"'),
        (
            DATA,
            PROJECT.replace('"0, no | 1, yes"', '"1, no | 0, yes"'),
            r"work is a radio \(1, no \| 0, yes\) in the project and a radio \(0, no \| 1, yes\) "
            "in the study's dictionary: make them alike, or leave the variable out",
        ),
    ],
)
def test_a_project_that_cannot_be_read_is_refused_before_it_is_stored(
    site, data, project, sentence
):
    with pytest.raises(UnusableRequest, match=sentence):
        checked(site, data, project)
    assert not Upload.objects.exists()


def test_only_variables_of_the_project_are_proposed_as_its_columns(site):
    site.column_mappings.all().delete()
    seen = checked(site)
    assert mappings.proposal_of(seen) == {}  # "arm" is REDCap's, "arm_of_study" too far from group
    named = PROJECT.replace("arm_of_study", "diagnosis")
    seen = checked(site, DATA.replace("arm_of_study", "diagnosis"), named)
    assert mappings.proposal_of(seen) == {"group": "diagnosis"}
    again = mappings.confirm(seen.pk, {"group": "diagnosis"}, by=None)
    assert counts(again) == (2, 0, 0)


def test_a_dictionary_beside_another_table_is_refused(site):
    sent = SentTable("samples", b"sample\n1\n", "s.csv", dictionary=b"x")
    with pytest.raises(UnusableRequest, match="Only a REDCap project comes with a data dictionary"):
        uploads.submit(site, sent, by=None)


def test_the_api_takes_both_files(site, client):
    from django.core.files.uploadedfile import SimpleUploadedFile

    nurse = user_with("SC", site)
    client.force_login(nurse)
    body = {
        "site": "FUK",
        "kind": "redcap",
        "check_only": "true",
        "file": SimpleUploadedFile("data.csv", DATA.encode()),
        "dictionary": SimpleUploadedFile("dictionary.csv", PROJECT.encode()),
    }
    answer = client.post("/api/v1/uploads/", body)
    assert answer.status_code == 201, answer.content
    assert answer.json()["report"]["preview"]["new"] == 2


def test_a_nurse_sends_it_on_the_page_and_reads_what_is_wrong(site, client):
    from django.core.files.uploadedfile import SimpleUploadedFile

    client.force_login(user_with("SC", site))
    data = SimpleUploadedFile("data.csv", DATA.encode())
    page = client.post("/sites/FUK/upload/", {"kind": "redcap", "file": data})
    assert page.status_code == 422
    assert "Send the project&#x27;s data dictionary beside its data" in page.content.decode()
    body = {
        "kind": "redcap",
        "file": SimpleUploadedFile("data.csv", DATA.encode()),
        "dictionary": SimpleUploadedFile("dictionary.csv", PROJECT.encode()),
    }
    page = client.post("/sites/FUK/upload/", body, follow=True)
    assert page.status_code == 200
    assert "Marked as identifiers, so neither read nor kept" in page.content.decode()


NAMED = {"group": "=hikikomori", "enrolled_on": "=2018-03-06"}


def of_the_survey(real_data, sex):
    """A real project that says neither group nor day, where everybody has been asked their sex."""
    folder = real_data / "formats" / "redcap" / "survey"
    frame = pd.read_csv(folder / "data.csv", dtype=str, keep_default_na=False)
    return frame.assign(sex=sex).to_csv(index=False), (folder / "dictionary.csv").read_text()


def test_a_real_project_without_a_group_enrols_once_it_is_said_for_every_row(site, real_data):
    seen = checked(site, *of_the_survey(real_data, "1"))
    assert mappings.unstated(seen) == ["group", "enrolled_on"]
    n = seen.report["rows"]
    told = mappings.confirm(seen.pk, NAMED, by=None)
    assert (told.report["faults"], counts(told)) == ([], (n, 0, 0))
    two_steps.accept(told.pk, by=None)
    enrolled = {*Participant.objects.values_list("group", "enrolled_on")}
    assert enrolled == {("hikikomori", date(2018, 3, 6))}
    # Said of this file alone.
    assert sent_tables.mapping_of(site, "redcap", {}) == MAPPING


def test_an_empty_sex_is_refused_by_name_unless_it_is_said_for_every_row(site, real_data):
    seen = checked(site, *of_the_survey(real_data, ""))
    told = mappings.confirm(seen.pk, NAMED, by=None)
    assert {fault["message"] for fault in told.report["faults"]} == {
        "empty; write unknown where the sex is not recorded."
    }
    told = mappings.confirm(seen.pk, {"sex": "=unknown"}, by=None)
    two_steps.accept(told.pk, by=None)
    assert {*Participant.objects.values_list("sex", flat=True)} == {"unknown"}


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"drug_free": "=yes"}, "'drug_free' is not said of every row at once; of participants"),
        ({"group": "=shy"}, 'column group=shy: "shy" is not a known group'),
    ],
)
def test_what_does_not_hold_for_every_row_is_refused(site, said, sentence):
    seen = checked(site, DATA.replace("arm_of_study", "x"), PROJECT.replace("arm_of_study", "x"))
    try:
        told = mappings.confirm(seen.pk, said, by=None).report["faults"][0]["text"]
    except UnusableRequest as error:
        told = str(error)
    assert sentence in told


def test_the_page_and_the_command_take_a_group_for_every_row(site, browse, tmp_path):
    data, project = DATA.replace("arm_of_study", "x"), PROJECT.replace("arm_of_study", "x")
    site.column_mappings.all().delete()
    seen = checked(site, data, project)
    nurse = browse(user_with("SC", site))
    page = f"/uploads/{seen.pk}/"
    assert "Does one word hold for every row?" in nurse.get(page).text
    answer = nurse.post(f"{page}mapping/", {"every-group": "hikikomori"}, follow=True)
    assert "Accept it?" in answer.text
    paths = [tmp_path / name for name in ("d.csv", "p.csv")]
    for path, text in zip(paths, (data + "\n", project), strict=True):
        path.write_text(text)
    call_command(
        "import_table", "redcap", paths[0], "--site=FUK", f"--dictionary={paths[1]}",
        "--every=group=healthy_control",
    )  # fmt: skip
    assert {*Participant.objects.values_list("group", flat=True)} == {"healthy_control"}
