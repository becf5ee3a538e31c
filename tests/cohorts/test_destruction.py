"""A tube is destroyed by one person, seen by a second, approved by a third; the order outlives
the row of the sample until then."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from cohorts.errors import AlreadyWithdrawn, NotAllowed, RefusedHandling, UnusableRequest
from cohorts.models import Destruction, Sample
from cohorts.services import consent
from cohorts.services.erasing import erasure
from cohorts.services.samples import destruction
from tests.factories import SampleFactory, SiteFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def tube():
    return SampleFactory(code="T1", participant__site=SiteFactory(code="FUK"))


@pytest.fixture
def crew(tube):
    return {role: user_with(role, tube.site) for role in ("LT", "SC", "SD")}


def recorded(order, crew, **more):
    said = {"at": timezone.now() - timedelta(minutes=5), "method": "autoclave, room 3"}
    return destruction.record(order.pk, **said | {"witness": crew["SC"], "by": crew["LT"]} | more)


def ordered(tube):
    consent.withdraw(tube.participant_id, level=3, by=None, destroy_samples=True)
    return Destruction.objects.get()


def test_a_withdrawal_blocks_the_tubes_and_destroys_them_if_asked(tube):
    with pytest.raises(UnusableRequest, match="Tubes are destroyed from level 3"):
        consent.withdraw(tube.participant_id, level=2, by=None, destroy_samples=True)
    assert ordered(tube).tube == "T1"
    assert Sample.objects.get().status == "blocked"
    assert destruction.order_destruction(tube.participant, "again") == 0


def test_who_has_stopped_further_use_may_ask_later_that_the_tubes_be_destroyed(tube, crew):
    wish = {"level": 3, "by": crew["SC"]}
    consent.withdraw(tube.participant_id, **wish)
    consent.withdraw(tube.participant_id, **wish, destroy_samples=True)
    assert Destruction.objects.get().ordered_by == crew["SC"]
    with pytest.raises(AlreadyWithdrawn):
        consent.withdraw(tube.participant_id, **wish, destroy_samples=True)


def test_a_new_consent_frees_what_a_withdrawal_only_blocked(tube):
    consent.withdraw(tube.participant_id, level=3, by=None)
    assert Sample.objects.get().status == "blocked"
    assert not Destruction.objects.exists()
    said = {"form": None, "basis": "paper", "signed_on": timezone.localdate(), "by": None}
    consent.record_consent(tube.participant_id, scopes=["store_samples"], **said)
    assert Sample.objects.get().status == "stored"
    assert [step.kind for step in tube.custody.all()] == ["blocked", "released"]


def test_an_ordered_destruction_outlives_a_new_consent(tube):
    ordered(tube)
    destruction.release(tube.participant)
    assert Sample.objects.get().status == "blocked"


def test_a_destruction_needs_a_record_a_witness_and_another_persons_yes(tube, crew):
    order = ordered(tube)
    with pytest.raises(RefusedHandling, match="Nobody has recorded the destruction of T1"):
        destruction.approve(order.pk, by=crew["SD"])
    with pytest.raises(ValidationError, match="The witness is somebody else"):
        recorded(order, crew, witness=crew["LT"])
    with pytest.raises(ValidationError, match="when it is done, not before"):
        recorded(order, crew, at=timezone.now() + timedelta(hours=1))
    with pytest.raises(ValidationError, match="how and where, and a witness"):
        recorded(order, crew, method=" ")
    with pytest.raises(RefusedHandling, match="is nobody at FUK: name who was there"):
        recorded(order, crew, witness=user_with("LT", SiteFactory()))
    assert recorded(order, crew).state == "recorded"
    with pytest.raises(RefusedHandling, match="is recorded already"):
        recorded(order, crew)
    crew["LT"].memberships.create(site=tube.site, role="SD")
    with pytest.raises(RefusedHandling, match="You recorded this destruction"):
        destruction.approve(order.pk, by=crew["LT"])
    with pytest.raises(IntegrityError), transaction.atomic():
        Destruction.objects.update(approved_by=crew["LT"], approved_at=timezone.now())
    assert destruction.approve(order.pk, by=crew["SD"]).state == "approved"
    assert Sample.objects.get().status == "destroyed"
    with pytest.raises(RefusedHandling, match="approved already"):
        destruction.approve(order.pk, by=crew["SD"])


def test_each_part_has_its_role(tube, crew):
    order = ordered(tube)
    with pytest.raises(NotAllowed, match="does not record destructions"):
        recorded(order, crew, by=crew["SD"], witness=crew["LT"])
    recorded(order, crew)
    with pytest.raises(NotAllowed, match="does not approve destructions"):
        destruction.approve(order.pk, by=crew["SC"])


def test_an_erasure_orders_the_tubes_destroyed_and_the_order_stays_until_it_is_done(
    tube, crew, settings, tmp_path
):
    settings.MEDIA_ROOT = tmp_path
    person = tube.participant
    asked = erasure.request(person.pk, by=crew["SC"])
    assert Sample.objects.get().status == "blocked"
    erasure.approve(asked.pk, by=crew["SD"])
    erasure.execute(asked.pk, at=timezone.now() + timedelta(hours=25))
    order = Destruction.objects.get()
    assert (order.sample, order.tube, order.cause) == (None, "T1", "erasure")
    recorded(order, crew)
    destruction.approve(order.pk, by=crew["SD"])
    order.refresh_from_db()
    assert (order.tube, order.place) == ("", "")


def test_a_tube_that_is_gone_loses_its_code_with_its_participant(tube, crew, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    recorded(ordered(tube), crew)
    destruction.approve(Destruction.objects.get().pk, by=crew["SD"])
    asked = erasure.request(tube.participant_id, by=crew["SC"])
    erasure.approve(asked.pk, by=crew["SD"])
    erasure.execute(asked.pk, at=timezone.now() + timedelta(hours=25))
    assert Destruction.objects.get().tube == ""


def test_the_page_records_and_approves(tube, crew, browse):
    order = ordered(tube)
    path = "/sites/FUK/destructions/"
    form = {"verb": "record", "order": order.pk, "method": "autoclave", "witness": crew["SC"].pk}
    form["destroyed_at"] = "2026-01-05T10:00"
    early = browse(crew["SD"]).post(path, {"verb": "approve", "order": order.pk})
    assert b"Nobody has recorded the destruction" in early.content
    page = browse(crew["LT"]).get(path).text
    assert f'<option value="{crew["SC"].pk}">' in page
    assert f'<option value="{crew["LT"].pk}">' not in page  # nobody is their own witness
    assert browse(crew["LT"]).post(path, form).status_code == 302
    assert "Record a destruction" not in browse(crew["LT"]).get(path).text
    assert b"waits for approval" in browse(crew["SD"]).get(path).content
    browse(crew["SD"]).post(path, {"verb": "approve", "order": order.pk})
    assert Sample.objects.get().status == "destroyed"


def test_a_time_is_typed_in_by_the_clock_of_the_site(tube, crew, browse):
    ordered(tube)
    page, path = browse(crew["LT"]), "/sites/FUK/destructions/"
    assert "By the clock of Asia/Tokyo." in page.get(path).content.decode()
    done = timezone.localtime(timezone.now() - timedelta(hours=1), ZoneInfo("Asia/Tokyo"))
    form = {"verb": "record", "order": Destruction.objects.get().pk, "method": "autoclave"}
    form |= {"destroyed_at": f"{done:%Y-%m-%dT%H:%M}", "witness": crew["SC"].pk}
    assert page.post(path, form).status_code == 302
    assert Destruction.objects.get().destroyed_at == done.replace(second=0, microsecond=0)
    again = page.post(path, form)
    assert again.status_code == 422  # what is recorded is no longer to be chosen
