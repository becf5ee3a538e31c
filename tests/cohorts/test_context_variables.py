"""A study's own variables: declared by REDCap's dictionary, sent with tables, checked by it."""

import pytest

from analysis.models import Plan
from analysis.services.dictionary_plans import touched_by
from cohorts.errors import ChangedMeanwhile, NotAllowed, UnusableRequest
from cohorts.ingest.branching import is_asked, is_understood
from cohorts.ingest.formats.redcap_dictionary import read_dictionary
from cohorts.models import Assessment, Participant
from cohorts.outgoing import data_dictionary
from cohorts.services import dictionaries
from cohorts.services.exporting import record_exports
from tests.cohorts.test_two_steps import cells, checked, corrected, told
from tests.factories import SiteFactory, StudyFactory, user_with

pytestmark = pytest.mark.django_db

HEADER = (
    '"Variable / Field Name","Form Name","Field Type","Field Label",'
    '"Choices, Calculations, OR Slider Labels",'
    '"Text Validation Type OR Show Slider Number","Text Validation Min","Text Validation Max",'
    'Identifier?,"Branching Logic (Show field only if...)","Required Field?"\n'
)
WORK = 'work,context,radio,Works now,"0, no | 1, yes",,,,,,y\n'
HOURS = "work_hours,context,text,Hours a week,,integer,0,80,,[work] = '1',y\n"
FIELDS = (
    "record_id,context,text,Code,,,,,,,\n"
    + WORK
    + HOURS
    + 'people,context,checkbox,Lives with,"1, parents | 2, partner",,,,,,\n'
    + "school_left,context,text,Left school on,,date_ymd,,,,,\n"
    + "address,context,text,Address,,,,,y,,\n"
    + "story,context,notes,In their own words,,,,,,,\n"
)
TABLE = "participant,sex,group,enrolled_on,"
ROW = "\nP1,male,hikikomori,2024-04-01,"


@pytest.fixture
def site(reference):
    return SiteFactory(code="FUK", study=StudyFactory())


@pytest.fixture
def steward():
    return user_with("CD")


def taken(site, steward, fields=FIELDS, after=0):
    return dictionaries.add(site.study_id, (HEADER + fields).encode(), by=steward, after=after)


def test_a_dictionary_is_kept_with_branching_and_validation(site, steward):
    version = taken(site, steward)
    hours = next(v for v in dictionaries.declared(site.study) if v.name == "work_hours")
    assert (hours.branching, hours.validation, hours.maximum) == ("[work] = '1'", "integer", "80")
    assert version.left_out == [
        ["address", "it names a person"],
        ["story", "free text and files are not taken"],
    ]


def test_values_come_with_the_participants(site, steward):
    taken(site, steward)
    text = TABLE + "work,work_hours,people___1,school_left" + ROW + "yes,20,1,2019-03-31\n"
    corrected(site, "participants", text)
    assert Participant.objects.get().variables == {
        "work": 1.0,
        "work_hours": 20.0,
        "people___1": 1.0,
        "school_left": "2019-03-31",
    }


def test_values_of_a_day_come_with_its_questionnaire(site, steward):
    taken(site, steward)
    corrected(site, "participants", TABLE[:-1] + ROW[:-1] + "\n")
    scores = "participant,instrument,assessed_on,total,work\nP1,PHQ-9,2024-05-01,6,{}\n"
    corrected(site, "assessments", scores.format(0))
    again = checked(site, "assessments", scores.format(1))
    assert cells(again) == [(2, "P1 PHQ-9 2024-05-01", "variable:work", "0", "1")]
    corrected(site, "assessments", scores.format(1))
    assert Assessment.objects.get().variables == {"work": 1.0}


def test_a_table_sent_again_corrects_a_variable_and_keeps_the_others(site, steward):
    taken(site, steward)
    corrected(site, "participants", TABLE + "work,people___1" + ROW + "0,1\n")
    changed = checked(site, "participants", TABLE + "work" + ROW + "1\n")
    assert cells(changed) == [(2, "P1", "variable:work", "0", "1")]
    corrected(site, "participants", TABLE + "work" + ROW + "1\n")
    assert Participant.objects.get().variables == {"work": 1.0, "people___1": 1.0}


@pytest.mark.parametrize(
    ("columns", "row", "said"),
    [
        ("work", "2", 'row 2, column work: "2" is no choice of work: 0 (no), 1 (yes).'),
        ("work", "", "requires work; fill it in, or leave the whole column out."),
        ("work,work_hours", "1,90", '"90" must be between 0 and 80'),
        ("work,work_hours", "1,2.5", '"2.5" is not a whole number'),
        ("work,work_hours", "1,", "requires work_hours"),
        ("work,work_hours", "0,20", "asks work_hours only if [work] = '1'; empty this cell"),
        ("school_left", "31/03/2019", '"31/03/2019" is not a date; write YYYY-MM-DD.'),
        ("address", "1 High Street", "personal data are not taken"),
        ("story", "x", "not a column of participants tables"),
    ],
)
def test_a_value_that_breaks_the_dictionary_is_refused_in_words(site, steward, columns, row, said):
    taken(site, steward)
    faults = told(checked(site, "participants", TABLE + columns + ROW + row + "\n"))
    assert said in faults[0]
    assert not Participant.objects.exists()


def test_an_undeclared_column_is_refused(site):
    assert "not a column" in told(checked(site, "participants", TABLE + "work" + ROW + "1\n"))[0]


@pytest.mark.parametrize(
    ("logic", "answers", "asked"),
    [
        ("[a] = '1' and ([b] > 2 or not [c] = '')", {"a": 1.0, "b": 2.0, "c": "x"}, True),
        ("[a] <> '1'", {"a": None}, True),
        ("[a(-1)] = '1'", {"a____1": 1.0}, True),
        ("[a] > 1", {"a": None}, False),
        ("[a] = '1' or [b] = '1'", {"a": 1.0}, None),
        ("datediff([a], 'today', 'y') > 1", {"a": 1.0}, None),
        ("[a] =", {"a": 1.0}, None),
    ],
)
def test_branching_is_judged_as_far_as_it_can_be(logic, answers, asked):
    assert is_asked(logic, answers) is asked


def test_branching_that_only_redcap_works_out_is_named(site):
    logic = '"x",context,yesno,X,,,,,,"[event-name] = \'visit_1\'",\n'
    draft = dictionaries.draft(site.study, (HEADER + FIELDS + logic).encode())
    assert draft.unjudged == ("x",)
    assert not is_understood("[event-name] = 'visit_1'")


def test_a_new_version_says_what_it_changes_and_which_plans_it_touches(site, steward):
    taken(site, steward)
    data = {"case": ["a"], "control": ["b"], "covariates": ["work_hours"], "outcome": "school_left"}
    Plan.objects.create(study=site.study, name="quick", data=data)
    fields = (
        FIELDS.replace(HOURS, HOURS.replace("80", "60"))
        .replace("school_left,context,text,Left school on,,date_ymd,,,,,\n", "")
        .replace(WORK, WORK + "friends,context,text,Friends,,integer,0,,,,\n")
    )
    changes = dictionaries.changes_of(taken(site, steward, fields, after=1))
    assert (changes.added, changes.removed) == (("friends",), ("school_left",))
    assert [(c.name, c.what, c.was, c.now) for c in changes.changed] == [
        ("work_hours", "maximum", "80", "60")
    ]
    touched = [(t.plan, t.use, t.variable, t.what) for t in touched_by(changes, site.study)]
    assert touched == [
        ("quick", "covariate", "work_hours", "changed"),
        ("quick", "outcome", "school_left", "removed"),
    ]


def test_a_new_version_says_how_many_recorded_answers_it_would_not_take(site, steward, browse):
    taken(site, steward)
    head = TABLE + "work,work_hours,people___1,people___2,school_left"
    rows = ROW + "1,20,1,0,2019-03-31" + ROW.replace("P1", "P2") + "1,70,1,1,\n"
    corrected(site, "participants", head + rows)
    scores = "participant,instrument,assessed_on,total,work,work_hours\n"
    corrected(
        site, "assessments", scores + "P1,PHQ-9,2024-05-01,6,0,\nP2,PHQ-9,2024-05-01,6,1,65\n"
    )
    fields = (
        FIELDS.replace(WORK, WORK.replace("0, no | 1, yes", "01, yes | 2, no"))
        .replace(HOURS, HOURS.replace("80", "60"))
        .replace("1, parents | ", "")
        .replace("date_ymd", "time")
    )
    draft = dictionaries.draft(site.study, (HEADER + fields).encode())
    assert [(each.column, each.n_outside, each.n_recorded) for each in draft.outside] == [
        ("work", 1, 4),
        ("work_hours", 2, 3),
        ("people___1", 2, 2),
        ("school_left", 1, 1),
    ]
    path, sent = f"/studies/{site.study.code}/variables/", {"filename": "dd.csv", "step": "look"}
    page = browse(steward)
    assert "2 of 3 recorded" in page.post(path, sent | {"content": HEADER + fields}).text
    wider = HEADER + FIELDS.replace("0,80", "0,90")
    assert "Every answer that is recorded fits" in page.post(path, sent | {"content": wider}).text
    elsewhere = SiteFactory(study=StudyFactory(code="other"))
    taken(elsewhere, steward)
    assert dictionaries.draft(elsewhere.study, (HEADER + fields).encode()).outside == ()


def test_a_version_is_not_taken_twice_nor_over_one_that_was_not_seen(site, steward):
    taken(site, steward)
    with pytest.raises(UnusableRequest, match="says what version 1 says; nothing would change"):
        taken(site, steward, after=1)
    with pytest.raises(ChangedMeanwhile, match="version 1 by now, and you have seen 0"):
        taken(site, steward, FIELDS.replace(WORK, ""))
    with pytest.raises(NotAllowed, match="ask the consortium data manager"):
        taken(site, user_with("SD", site), FIELDS.replace(WORK, ""), after=1)
    with pytest.raises(UnusableRequest, match='no column "variable / field name"'):
        dictionaries.draft(site.study, b"a,b\n1,2\n")


def test_a_dictionary_goes_out_as_it_came(site, steward):
    taken(site, steward)
    written = data_dictionary.write(dictionaries.declared(site.study))
    names = ("name", "kind", "choices", "validation", "maximum", "branching", "required")
    again = [
        tuple(getattr(v, n) for n in names) for v in read_dictionary(written.encode()).variables
    ]
    assert again[1:] == [
        tuple(getattr(v, n) for n in names) for v in dictionaries.declared(site.study)
    ]


def test_values_go_out_with_the_redcap_export(site, steward):
    taken(site, steward)
    corrected(site, "participants", TABLE + "work,work_hours" + ROW + "1,20\n")
    out = record_exports.export(site, "redcap", reason="to REDCap", by=None).content.decode()
    head, person = out.splitlines()[:2]
    row = dict(zip(head.split(","), person.split(","), strict=True))
    assert (row["work"], row["work_hours"]) == ("1", "20")


def test_the_page_shows_the_changes_before_they_are_taken(site, steward, browse):
    from django.core.files.uploadedfile import SimpleUploadedFile

    page, path = browse(steward), f"/studies/{site.study.code}/variables/"
    file = SimpleUploadedFile("dd.csv", (HEADER + FIELDS).encode())
    looked = page.post(path, {"file": file, "step": "look"})
    assert "Take as version 1" in looked.content.decode()
    assert dictionaries.declared(site.study) == ()
    taking = {"content": HEADER + FIELDS, "filename": "dd.csv", "after": 0, "step": "take"}
    assert page.post(path, taking).status_code == 302
    assert "[work] = &#x27;1&#x27;" in page.get(path).content.decode()
    refused = page.post(path, taking)
    assert refused.status_code == 422
    assert "you have seen 0" in refused.content.decode()


def test_the_api_takes_a_version_and_says_what_it_changes(site, steward, api):
    body = {"study": site.study.code, "content": HEADER + FIELDS, "after": 0}
    api.force_authenticate(steward)
    client = api
    dry = client.post("/api/v1/dictionaries", body | {"dry_run": True}, format="json")
    assert dry.json()["added"] == ["work", "work_hours", "people", "school_left"]
    assert dry.json()["outside"] == []
    made = client.post("/api/v1/dictionaries", body, format="json").json()
    told_ = client.get(f"/api/v1/dictionaries/{made['id']}/changes").json()
    assert told_["left_out"][0] == ["address", "it names a person"]
    out = client.get(f"/api/v1/dictionaries/{made['id']}/redcap")
    assert out.content.decode().startswith("Variable / Field Name")
