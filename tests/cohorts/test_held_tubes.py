"""A received tube is handled where it lies, and nothing of its participant goes with it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from cohorts.errors import NotAllowed, RefusedHandling
from cohorts.labels import label_text
from cohorts.models import Box, Destruction, Sample
from cohorts.services import consent
from cohorts.services.samples import bench, boxes, custody, destruction, shipping
from tests.factories import ParticipantFactory, SampleFactory, SiteFactory, user_with
from tests.page_source import flat

pytestmark = pytest.mark.django_db


@pytest.fixture
def fuk():
    return SiteFactory(code="FUK")


@pytest.fixture
def osa(fuk):
    return SiteFactory(code="OSA", study=fuk.study)


@pytest.fixture
def sender(fuk):
    return user_with("LT", fuk)


@pytest.fixture
def holder(osa):
    return user_with("LT", osa)


@pytest.fixture
def tube(fuk, osa, sender, holder):
    """T1 of FUK-007, which lies at OSA; OSA has a T1 of its own."""
    person = ParticipantFactory(site=fuk, code="FUK-007")
    made = SampleFactory(participant=person, code="T1", volume_ul=Decimal(500), freeze_thaws=0)
    SampleFactory(participant=ParticipantFactory(site=osa), code="T1")
    Box.objects.create(site=osa, code="B1", place="F", n_rows=2, n_columns=2)
    sent_at = timezone.now() - timedelta(days=1)
    shipment = shipping.send(fuk, osa, ["T1"], courier="x", sent_at=sent_at, by=sender)
    shipping.receive(shipment.pk, {"T1": "good"}, received_at=timezone.now(), by=holder)
    return Sample.objects.get(pk=made.pk)


def test_who_holds_a_tube_thaws_divides_and_boxes_it(tube, fuk, osa, holder):
    custody.thaw(tube.pk, by=holder)
    child = custody.divide(tube.pk, code="T1-1", volume_ul=Decimal(100), by=holder)
    boxes.move(child.pk, box_code="B1", row=1, column=1, by=holder)
    child.refresh_from_db()
    assert (child.site, child.participant, child.held_at) == (fuk, tube.participant, osa)
    assert (child.freeze_thaws, child.place) == (1, "B1 1/1")
    assert [*Sample.objects.lying_at(osa).filter(site=fuk)] == [tube, child]


def test_whose_it_was_handles_it_no_longer_and_again_once_it_is_back(
    tube, fuk, osa, sender, holder
):
    for act in (
        lambda: custody.thaw(tube.pk, by=sender),
        lambda: custody.divide(tube.pk, code="T1-1", volume_ul=Decimal(1), by=sender),
        lambda: boxes.move(tube.pk, box_code="B1", row=1, column=1, by=sender),
        lambda: bench.thaw_all(fuk, [tube.pk], by=sender),
    ):
        with pytest.raises(RefusedHandling, match=r"T1 lies at OSA, whose laboratory handles it\."):
            act()
    Sample.objects.filter(site=osa).delete()
    now = timezone.now()
    back = shipping.send(osa, fuk, ["T1"], courier="x", sent_at=now, by=holder)
    shipping.receive(back.pk, {"T1": "good"}, received_at=now, by=sender)
    assert custody.thaw(tube.pk, by=sender).freeze_thaws == 1
    with pytest.raises(NotAllowed, match=r"Your role at FUK does not handle samples\."):
        custody.thaw(tube.pk, by=holder)


def test_only_the_laboratory_handles_what_was_received_and_none_what_is_blocked(
    tube, osa, holder, browse
):
    Sample.objects.filter(pk=tube.pk).update(status="blocked")
    seen = browse(holder)
    assert "Record a step" not in seen.get(f"/samples/{tube.pk}/").text
    refused = seen.post(f"/samples/{tube.pk}/", {"verb": "thaw"})
    assert "T1 is blocked; nothing more is done with it." in flat(refused.text)
    for role in ("SC", "SD"):
        with pytest.raises(NotAllowed, match=r"Your role at OSA does not handle samples\."):
            custody.thaw(tube.pk, by=user_with(role, osa))
    with pytest.raises(NotAllowed, match=r"Your role at FUK does not handle samples\."):
        custody.process(tube.pk, {"storage": "A"}, by=holder)


def test_the_page_of_a_received_tube_names_no_participant(tube, holder, sender, browse):
    seen = browse(holder)
    page = flat(seen.get(f"/samples/{tube.pk}/").text)
    assert ", of FUK" in page
    assert "FUK-007" not in page
    assert "Of other sites, lying here" in flat(seen.get("/sites/OSA/samples/").text)
    body = {"verb": "move", "box": "B1", "row": "2", "column": "2"}
    assert seen.post(f"/samples/{tube.pk}/", body).status_code == 302
    box = flat(seen.get(f"/boxes/{Box.objects.get().pk}/").text)
    assert f'/samples/{tube.pk}/">T1</a>' in box
    assert "Thaw once" in page
    own = flat(browse(sender).get(f"/samples/{tube.pk}/").text)
    assert "Thaw once" not in own
    assert "Record how it was spun" in own
    assert "participant FUK-007" in own
    assert "B1 2/2" in own
    assert f"/boxes/{Box.objects.get().pk}/" not in own


def test_a_scanner_takes_a_received_tube_beside_an_own_one_of_its_code(tube, osa, holder, browse):
    seen = browse(holder)
    body = {"tube": ["OSA/T1"], "scan": label_text("FUK", "T1")}
    assert "FUK/T1" in flat(seen.post("/sites/OSA/scan/", body).text)
    seen.post("/sites/OSA/scan/", {"tube": ["OSA/T1", "FUK/T1"], "do": "box", "box": "B1"})
    assert {each.place for each in Sample.objects.lying_at(osa)} == {"B1 1/1", "B1 1/2"}
    seen.post("/sites/OSA/scan/", {"tube": ["FUK/T1"], "do": "thaw"})
    tube.refresh_from_db()
    assert (tube.place, tube.freeze_thaws) == ("B1 1/2", 1)


def test_over_http_a_received_tube_is_handled_and_names_no_participant(tube, holder, sender, api):
    api.force_authenticate(holder)
    (line,) = api.get("/api/v1/shipments").json()["results"]
    address = f"/api/v1/samples/{line['tubes'][0]['sample_id']}"
    assert (told := api.get(address).json())["held_at"] == "OSA"
    assert (told["participant"], told["visit"], told["site"]) == (None, None, "FUK")
    assert api.post(f"{address}/thaw").json()["freeze_thaws"] == 1
    body = {"code": "T1-1", "volume_ul": "20"}
    assert api.post(f"{address}/divide", body, format="json").json()["participant"] is None
    assert {each["code"] for each in api.get("/api/v1/samples").json()["results"]} == {"T1"}
    api.force_authenticate(sender)
    assert api.get(address).json()["participant"] == "FUK-007"
    assert api.post(f"{address}/thaw").status_code == 409


def test_the_order_to_destroy_a_received_tube_reaches_the_laboratory_that_has_it(
    tube, fuk, osa, sender, holder, browse
):
    """Recorded before a witness of that laboratory, approved by the tube's own site."""
    manager, nurse = user_with("SD", fuk), user_with("SC", osa)
    consent.withdraw(tube.participant_id, level=3, by=None, destroy_samples=True)
    order = Destruction.objects.get()
    at_osa, at_fuk, path = browse(holder), browse(manager), "/sites/{}/destructions/"
    assert "1 tube of another site to destroy" in flat(at_osa.get("/").text)
    assert "to destroy" not in flat(browse(sender).get("/").text)
    assert "FUK/T1" in (page := flat(at_osa.get(path.format("OSA")).text))
    assert "FUK-007" not in page
    said = {"at": timezone.now(), "method": "autoclave"}
    where = r"T1 lies at OSA, whose laboratory destroys it and records it\."
    with pytest.raises(RefusedHandling, match=where):
        destruction.record(order.pk, **said, witness=nurse, by=sender)
    with pytest.raises(RefusedHandling, match="is nobody at OSA: name who was there"):
        destruction.record(order.pk, **said, witness=manager, by=holder)
    body = {"verb": "record", "order": order.pk, "method": "autoclave", "witness": nurse.pk}
    body["destroyed_at"] = "2026-01-05T10:00"
    assert browse(sender).post(path.format("FUK"), body).status_code == 422
    assert at_osa.post(path.format("OSA"), body).status_code == 302
    assert 'value="approve"' not in browse(user_with("SD", osa)).get(path.format("OSA")).text
    assert "OSA" in (own := flat(at_fuk.get(path.format("FUK")).text))
    assert 'value="approve"' in own
    at_fuk.post(path.format("FUK"), {"verb": "approve", "order": order.pk})
    tube.refresh_from_db()
    assert tube.status == "destroyed"


def test_an_order_goes_after_a_tube_that_travels_even_when_its_participant_is_erased(
    fuk, osa, sender, holder, api
):
    made = SampleFactory(participant__site=fuk, code="T1")
    shipping.send(fuk, osa, ["T1"], courier="x", sent_at=timezone.now(), by=sender)
    destruction.order_destruction(made.participant, "erasure")
    made.delete()
    api.force_authenticate(user_with("SC", osa))
    assert api.get("/api/v1/destructions").json()["results"] == []
    api.force_authenticate(holder)
    (order,) = api.get("/api/v1/destructions").json()["results"]
    assert (order["site"], order["held_at"], order["tube"]) == ("FUK", "OSA", "T1")
    assert order["place"] == "on its way to OSA"
    body = {"destroyed_at": timezone.now().isoformat(), "method": "autoclave"}
    body["witness"] = user_with("SC", osa).username
    done = api.post(f"/api/v1/destructions/{order['id']}/record", body, format="json")
    assert done.json()["state"] == "recorded"
    assert api.post(f"/api/v1/destructions/{order['id']}/approve").status_code == 403
