"""A REDCap export becomes tables that a site sends, without what names a person."""

from __future__ import annotations

import csv

import pytest
from django.core.management import call_command

from cohorts.models import Participant
from tests.cohorts.test_formats_redcap import HEADER
from tests.factories import SiteFactory

pytestmark = pytest.mark.django_db
DICTIONARY = HEADER + (
    "participant,people,,text,Study ID,,,,,,,,\n"
    "surname,people,,text,Surname,,,,,,y,,\n"
    'sex,people,,radio,Sex,"0, female | 1, male",,,,,,,\n'
    'group,people,,radio,Group,"1, hikikomori | 2, healthy_control",,,,,,,\n'
    "enrolled_on,people,,text,Enrolled,,,date_ymd,,,,,\n"
    "hq_total,scales,,text,HQ-25,,,integer,0,100,,,\n"
)
DATA = (
    "participant,surname,sex,group,enrolled_on,people_complete,hq_total\n"
    "P1,Tanaka,1,1,2024-04-01,2,71\n"
    "P2,Suzuki,0,2,2024-04-02,2,\n"
)


@pytest.fixture
def project(tmp_path):
    """A function: the command's arguments for a project of this dictionary and these data."""

    def written(dictionary=DICTIONARY, data=DATA):
        (tmp_path / "d.csv").write_text(dictionary)
        (tmp_path / "data.csv").write_text(data)
        return (str(tmp_path / "d.csv"), str(tmp_path / "data.csv"))

    return written


def rows_of(path):
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_the_people_of_a_project_can_be_sent_as_they_are_written(project, tmp_path, capsys):
    call_command("read_redcap", *project(), to=tmp_path / "out", labels=True)
    said = capsys.readouterr().out
    assert "note: surname: marked as identifiers, so not read." in said
    assert "participants.csv: 2 rows" in said
    people = rows_of(tmp_path / "out" / "participants.csv")
    assert people[0] == {
        "participant": "P1", "sex": "male", "group": "hikikomori",
        "enrolled_on": "2024-04-01", "hq_total": "71",
    }  # fmt: skip
    assert "Tanaka" not in (tmp_path / "out" / "participants.csv").read_text()
    (scale,) = rows_of(tmp_path / "out" / "form-scales.csv")
    assert scale == {"participant": "P1", "hq_total": "71"}


def test_a_table_of_it_is_taken_into_the_records(project, tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path / "files"
    SiteFactory(code="FUK")
    without_scale = DICTIONARY.rsplit("hq_total", 1)[0]
    data = DATA.replace(",hq_total", "").replace(",71", "").replace("2,\n", "2\n")
    call_command("read_redcap", *project(without_scale, data), to=tmp_path, labels=True)
    call_command("import_table", "participants", str(tmp_path / "participants.csv"), site="FUK")
    told = Participant.objects.order_by("code").values_list("code", "sex", "group")
    assert list(told) == [("P1", "male", "hikikomori"), ("P2", "female", "healthy_control")]


def test_codes_stay_codes_where_no_labels_are_asked_for(project, tmp_path):
    call_command("read_redcap", *project(), to=tmp_path / "out")
    assert [row["sex"] for row in rows_of(tmp_path / "out" / "participants.csv")] == ["1", "0"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("enrolled_on,people_c", "enrolled,people_c"), 'the dictionary does not have "enrolled"'),
        (("P1,Tanaka,1", "P1,Tanaka,7"), 'row 2, column sex: "7"'),
        (("P1,Tanaka", "1-Apr,Tanaka"), "a code that a spreadsheet turned into a date"),
    ],
)
def test_an_export_that_does_not_fit_is_refused_and_nothing_is_written(
    project, tmp_path, capsys, change, words
):
    with pytest.raises(SystemExit) as ended:
        call_command("read_redcap", *project(data=DATA.replace(*change)), to=tmp_path / "out")
    assert ended.value.code == 1
    assert words in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_variable_by_the_name_of_a_place_is_refused(project, tmp_path, capsys):
    renamed = (DICTIONARY.replace("hq_total", "visit"), DATA.replace("hq_total", "visit"))
    with pytest.raises(SystemExit):
        call_command("read_redcap", *project(*renamed), to=tmp_path / "out")
    assert 'a variable is called "visit"' in capsys.readouterr().err


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("read_redcap", str(tmp_path / "no.csv"), str(tmp_path / "no.csv"), to=tmp_path)
    assert ended.value.code == 2
    assert "no.csv: No such file" in capsys.readouterr().err
