"""A REDCap project as it was exported, by the study's own mapping and dictionary, into the records.

Beside what Python's csv module reads of the same files: every value stored, and nobody's name.
"""

import csv
import io

import pytest

from cohorts.models import Participant
from cohorts.services import dictionaries
from cohorts.services.tables import files, two_steps
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import ParticipantFactory, SiteFactory, StudyFactory, user_with

pytestmark = pytest.mark.django_db
PERSONAL = ("first_name", "last_name", "telephone_1", "email", "dob", "comments")
KIN = tuple(f"next_of_kin_contact_{what}" for what in ("name", "address", "phone"))


@pytest.fixture
def project(real_data):
    folder = real_data / "formats/redcap/longitudinal"
    return (folder / "data.csv").read_bytes(), (folder / "dictionary.csv").read_bytes()


@pytest.fixture
def site(reference, project, settings, tmp_path):
    """Whose study declares the project's variables, with its people on the books."""
    settings.MEDIA_ROOT = tmp_path
    here = SiteFactory(code="FUK", study=StudyFactory())
    dictionaries.add(here.study_id, project[1], by=user_with("CD"), after=0)
    mapping = {"enrolled_on": "date_enrolled", "age_years": "age"}
    here.column_mappings.create(kind="redcap", columns=mapping)
    for code in people_of(project[0]):
        ParticipantFactory(site=here, code=code)
    return here


def people_of(data):
    """Each person's answers by variable: of what has one value, that; of the rest nothing."""
    answers = {}
    for row in csv.DictReader(io.StringIO(data.decode())):
        for name, text in row.items():
            answers.setdefault(row["study_id"], {}).setdefault(name, set()).update({text} - {""})
    changing = {n for each in answers.values() for n, told in each.items() if len(told) > 1}
    return {
        code: {n: told.pop() for n, told in each.items() if told and n not in changing}
        for code, each in answers.items()
    }


def test_a_real_project_comes_in_with_the_values_of_its_cells(site, project):
    data, dictionary = project
    sent = SentTable("redcap", data, "data.csv", dictionary=dictionary)
    seen = two_steps.check(site, sent, by=None)
    assert seen.report["faults"] == []
    two_steps.accept(seen.pk, by=None, reason="as in REDCap")
    told = people_of(data)
    assert len(told) == 3
    n_values = 0
    for person in Participant.objects.all():
        own = told[person.code]
        assert f"{person.enrolled_on}" == own["date_enrolled"]
        assert (person.sex, person.age_years) == (
            {"0": "female", "1": "male"}[own["sex"]],
            float(own["age"]),
        )
        for name, value in person.variables.items():
            assert str(value) == own[name] or float(value) == float(own[name]), name
        assert not {*PERSONAL, *KIN, "date_enrolled", "age", "sex"} & set(person.variables)
        n_values += len(person.variables)
    assert n_values > 100
    kept = files.read(seen.sha256).decode()
    assert not [name for name in (*PERSONAL, *KIN) if name in kept.splitlines()[0].split(",")]
