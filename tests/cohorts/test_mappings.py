"""A site's own column names are proposed, confirmed once, and used from then on."""

from __future__ import annotations

import pytest

from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.ingest.proposals import propose
from cohorts.models import ColumnMapping, Upload
from cohorts.services.tables import mappings, two_steps
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import SiteFactory, user_with
from tests.page_source import flat

OWN = "subject_id,Gender,diagnosis,Enrolment date\nF001,f,hikikomori,2024-04-01\n"


def test_names_are_proposed_from_other_words_and_slips():
    assert propose("participants", ["subject_id", "Gender", "grup", "enrolled_on"]) == {
        "participant": "subject_id",
        "sex": "Gender",
        "group": "grup",
    }
    assert propose("samples", ["colour", "surname"]) == {}
    assert propose("participants", ["Study group"]) == {"group": "Study group"}


def checked(site):
    return two_steps.check(site, SentTable("participants", OWN.encode(), "p.csv"), by=None)


@pytest.mark.django_db
def test_a_confirmed_mapping_is_kept_and_the_table_checked_again(reference, browse):
    site = SiteFactory(code="FUK")
    upload = checked(site)
    assert upload.status == Upload.Status.REJECTED
    client = browse(user_with("SC", site))
    page = client.get(f"/uploads/{upload.pk}/").content.decode()
    assert "<code>subject_id</code>is<code>participant</code>" in flat(page)
    proposed = mappings.proposal_of(upload)
    sent = {f"column-{name}": header for name, header in proposed.items()}
    client.post(f"/uploads/{upload.pk}/mapping/", sent)
    upload.refresh_from_db()
    assert upload.status == Upload.Status.CHECKED
    assert ColumnMapping.objects.get().columns == proposed
    # What is kept is not asked again, where something else is wrong with a table.
    lacking = OWN.replace("diagnosis", "colour").replace("F001", "F003")
    refused = two_steps.check(site, SentTable("participants", lacking.encode(), "r.csv"), by=None)
    assert refused.status == Upload.Status.REJECTED
    assert mappings.proposal_of(refused) == {}
    # The next table of the site needs no question.
    again = SentTable("participants", OWN.replace("F001", "F002").encode(), "q.csv")
    assert two_steps.check(site, again, by=None).status == Upload.Status.CHECKED


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({}, "Choose a column for at least one"),
        ({"blood": "Gender"}, "'blood' is not a column of participants tables"),
        ({"sex": "Sex"}, r"'Sex' is not a column of p\.csv"),
        ({"sex": "Gender", "group": "Gender"}, "stands for two names"),
    ],
)
def test_a_mapping_that_cannot_be_is_refused(reference, columns, sentence):
    upload = checked(SiteFactory(code="FUK"))
    with pytest.raises(UnusableRequest, match=sentence):
        mappings.confirm(upload.pk, columns, by=None)
    assert not ColumnMapping.objects.exists()


@pytest.mark.django_db
def test_an_auditor_confirms_no_mapping(reference):
    site = SiteFactory(code="FUK")
    upload = checked(site)
    with pytest.raises(NotAllowed, match="does not accept participants"):
        mappings.confirm(upload.pk, {"sex": "Gender"}, by=user_with("AU", site))
