"""Volumes, thaws, places and steps of a tube; what cannot have happened is refused."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from threading import Barrier, Thread

import numpy as np
import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from cohorts.errors import NotAllowed, RefusedHandling, UnusableRequest
from cohorts.models import EVENTS, AssayRow, BatchFeature, Box, Sample
from cohorts.models.assay import pack_flags, pack_values
from cohorts.preanalytics import MOST_FREEZE_THAWS
from cohorts.services import consent
from cohorts.services.samples import boxes, custody, handling
from tests.factories import (
    AssayBatchFactory,
    FeatureFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def tube():
    return SampleFactory(code="T1", volume_ul=Decimal(500), freeze_thaws=1, tube="EDTA")


@pytest.fixture
def technician(tube):
    return user_with("LT", tube.site)


def test_an_aliquot_takes_its_volume_from_its_tube(tube, technician):
    child = custody.divide(tube.pk, code="T1a", volume_ul=Decimal("120.5"), by=technician)
    tube.refresh_from_db()
    assert (tube.volume_ul, child.volume_ul, child.parent) == (
        Decimal("379.50"),
        Decimal("120.5"),
        tube,
    )
    assert (child.freeze_thaws, child.tube, child.material) == (1, "EDTA", "plasma")
    assert [step.kind for step in tube.custody.all()] == ["divided"]
    assert child.custody.get().note == "from T1"


def test_a_tube_gives_no_more_than_it_holds(tube, technician):
    with pytest.raises(RefusedHandling, match=r"T1 holds 500.00 µL; 501 µL cannot be taken out"):
        custody.divide(tube.pk, code="T1a", volume_ul=Decimal(501), by=technician)
    with pytest.raises(RefusedHandling, match="Take more than nothing out of T1"):
        custody.divide(tube.pk, code="T1a", volume_ul=Decimal(0), by=technician)
    with pytest.raises(IntegrityError), transaction.atomic():
        Sample.objects.filter(pk=tube.pk).update(volume_ul=-1)
    custody.divide(tube.pk, code="T1a", volume_ul=Decimal(500), by=technician)
    with pytest.raises(RefusedHandling, match="T1 is used up; nothing more is done with it"):
        custody.thaw(tube.pk, by=technician)


def test_a_code_is_given_once_and_nothing_is_taken_for_the_second(tube, technician):
    custody.divide(tube.pk, code="T1a", volume_ul=Decimal(100), by=technician)
    with pytest.raises(ValidationError, match="This site has a sample with that code already"):
        custody.divide(tube.pk, code="T1a", volume_ul=Decimal(100), by=technician)
    tube.refresh_from_db()
    assert tube.volume_ul == 400


@pytest.mark.django_db(transaction=True)
def test_two_people_do_not_take_the_same_microlitres(tube, technician):
    start, outcomes = Barrier(2), []

    def take(code):
        start.wait()
        try:
            custody.divide(tube.pk, code=code, volume_ul=Decimal(300), by=technician)
            outcomes.append("taken")
        except RefusedHandling:
            outcomes.append("refused")
        finally:
            connection.close()

    threads = [Thread(target=take, args=(code,)) for code in ("T1a", "T1b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["refused", "taken"]
    assert Sample.objects.get(pk=tube.pk).volume_ul == 200


def test_a_volume_that_nobody_recorded_is_recorded_once(technician, tube):
    unknown = SampleFactory(participant__site=tube.site, code="T9")
    with pytest.raises(RefusedHandling, match="The volume of T9 is not recorded"):
        custody.divide(unknown.pk, code="T9a", volume_ul=Decimal(1), by=technician)
    with pytest.raises(ValidationError, match="no less than nothing"):
        custody.measure(unknown.pk, volume_ul=Decimal(-1), by=technician)
    custody.measure(unknown.pk, volume_ul=Decimal(80), by=technician)
    with pytest.raises(RefusedHandling, match=r"T9 holds 80.00 µL by the books; say why that is"):
        custody.measure(unknown.pk, volume_ul=Decimal(90), by=technician)
    with pytest.raises(RefusedHandling, match="T9 holds that by the books already"):
        custody.measure(unknown.pk, volume_ul=Decimal(80), reason="again", by=technician)
    custody.measure(unknown.pk, volume_ul=Decimal(90), reason="read again", by=technician)
    notes = [step.note for step in unknown.custody.all()]
    assert notes == ["80 µL", "90 µL instead of 80.00 µL: read again"]


def test_a_derivative_has_its_own_material_and_volume(tube, technician):
    made = {"code": "T1-dna", "volume_ul": Decimal(200), "by": technician}
    with pytest.raises(RefusedHandling, match="An aliquot holds what was taken, 200 µL; for a"):
        custody.divide(tube.pk, **made, yields_ul=Decimal(50))
    child = custody.divide(tube.pk, **made, material="dna", yields_ul=Decimal(50))
    tube.refresh_from_db()
    assert (child.material, child.volume_ul, tube.volume_ul) == ("dna", 50, 300)


def test_thaws_are_counted_and_an_unknown_count_stays_unknown(tube, technician):
    assert custody.thaw(tube.pk, by=technician).freeze_thaws == 2
    unknown = SampleFactory(participant__site=tube.site)
    assert custody.thaw(unknown.pk, by=technician).freeze_thaws is None
    assert unknown.custody.get().kind == "thawed"


def test_recorded_thaws_are_told_and_flagged_where_the_count_before_is_unknown(
    tube, technician, browse
):
    Sample.objects.filter(pk=tube.pk).update(freeze_thaws=None, volume_ul=100)
    for _ in range(MOST_FREEZE_THAWS + 1):
        custody.thaw(tube.pk, by=technician)
    child = custody.divide(tube.pk, code="T1-A", volume_ul=Decimal(10), by=technician)
    custody.thaw(tube.pk, by=technician)
    page = browse(technician).get(f"/samples/{tube.pk}/").text
    assert f"at least {MOST_FREEZE_THAWS + 2} times: how often before its steps is not" in page
    found = handling.handling_of(child)
    # What was done to the tube after the division is nothing to its aliquot.
    assert found.thaws_seen == MOST_FREEZE_THAWS + 1
    assert [flag.code for flag in found.judgement.flags] == ["thawed_often"]
    assert "freeze_thaws" in found.judgement.gaps


def test_a_place_holds_one_tube(tube, technician):
    box = boxes.add_box(tube.site, code="B1", place="F2", n_rows=9, n_columns=8, by=technician)
    boxes.move(tube.pk, box_code="B1", row=9, column=8, by=technician)
    tube.refresh_from_db()
    assert tube.place == "B1 9/8"
    other = SampleFactory(participant__site=tube.site, code="T2")
    with pytest.raises(RefusedHandling, match="T1 is in B1 9/8: choose a free place"):
        boxes.move(other.pk, box_code="B1", row=9, column=8, by=technician)
    for row, column in ((10, 1), (1, 9), (0, 1)):
        with pytest.raises(RefusedHandling, match="Box B1 has 9 rows and 8 columns"):
            boxes.move(other.pk, box_code="B1", row=row, column=column, by=technician)
    with pytest.raises(RefusedHandling, match="has no box 'B7'"):
        boxes.move(other.pk, box_code="B7", row=1, column=1, by=technician)
    for place in ({"box": box, "box_row": 9, "box_column": 8}, {"box_row": 1}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Sample.objects.filter(pk=other.pk).update(**place)


def test_a_box_has_a_size_and_one_code(tube, technician):
    with pytest.raises(ValidationError, match="A box has 1 to 50 rows"):
        Box(site=tube.site, code="B1", n_rows=51).full_clean()
    Box.objects.create(site=tube.site, code="B1")
    with pytest.raises(ValidationError, match="This site has a box with that code already"):
        boxes.add_box(tube.site, code="B1", place="", n_rows=9, n_columns=9, by=technician)


def test_steps_run_forward_in_time(tube, technician):
    now = timezone.now()
    custody.thaw(tube.pk, by=technician, at=now - timedelta(days=1))
    with pytest.raises(RefusedHandling, match="in the order in which it happened"):
        custody.thaw(tube.pk, by=technician, at=now - timedelta(days=2))
    with pytest.raises(RefusedHandling, match="is still to come"):
        custody.thaw(tube.pk, by=technician, at=now + timedelta(days=1))
    assert [step.number for step in tube.custody.all()] == [1]


def test_who_may_not_handle_samples_is_told(tube):
    for who in (user_with("AU", tube.site), user_with("LT", SiteFactory())):
        with pytest.raises(NotAllowed, match="does not handle samples"):
            custody.thaw(tube.pk, by=who)


def test_a_tube_of_somebody_who_withdrew_is_not_used(tube, technician):
    consent.withdraw(tube.participant_id, level=2, by=None)
    with pytest.raises(RefusedHandling, match="its participant has withdrawn"):
        custody.thaw(tube.pk, by=technician)


def test_the_arginine_ratio_stands_beside_the_handling_once_measured(tube, browse, technician):
    assert handling.handling_of(tube).ratio_word == "unknown"
    batch = AssayBatchFactory(site=tube.site)
    names = {"arginine": handling.ARGININE, "ornithine": handling.ORNITHINE}
    for position, (name, hmdb) in enumerate(names.items()):
        feature = FeatureFactory(name=name, hmdb=hmdb)
        BatchFeature.objects.create(
            batch=batch, position=position, feature=feature, source_name=name, unit="x", factor=2
        )
    AssayRow.objects.create(
        batch=batch,
        sample=tube,
        label="T1",
        packed_values=pack_values(np.array([30.0, 70.0])),
        packed_flags=pack_flags(np.zeros(2, dtype=np.uint8)),
    )
    found = handling.handling_of(tube)
    assert (found.ratio, found.ratio_word) == (pytest.approx(0.3), "suspect")
    page = browse(technician).get(f"/samples/{tube.pk}/").content.decode()
    assert "0.30" in page
    assert "SPREC" in page


def test_a_tube_is_worked_on_in_the_portal_and_by_the_api(tube, technician, browse, api):
    page, path = browse(technician), f"/samples/{tube.pk}/"
    missing = page.post(path, {"verb": "divide", "code": "T1a"})
    assert b"This is needed here." in missing.content
    assert page.post(path, {"verb": "divide", "code": "T1a", "volume_ul": "100"}).status_code == 302
    too_much = page.post(path, {"verb": "divide", "code": "T1b", "volume_ul": "900"})
    assert "900 µL cannot be taken out".encode() in too_much.content
    api.force_authenticate(technician)
    told = api.get(f"/api/v1/samples/{tube.pk}").json()
    assert (told["volume_ul"], told["place"]) == ("400.00", "")
    steps = api.get(f"/api/v1/samples/{tube.pk}/handling").json()
    assert [step["kind"] for step in steps["custody"]] == ["divided"]
    assert "spun_at" in steps["gaps"]
    assert datetime.fromisoformat(steps["custody"][0]["at"]).tzinfo
    refused = api.post(f"/api/v1/samples/{tube.pk}/measure", {"volume_ul": "4"}, format="json")
    assert refused.status_code == 409


def test_how_a_tube_was_spun_and_is_stored_is_recorded_once_and_corrected_with_a_reason(
    tube, technician
):
    spun = custody.process(
        tube.pk, {"centrifugation": "B", "second_centrifugation": "N"}, by=technician
    )
    assert (spun.centrifugation, spun.second_centrifugation, spun.storage) == ("B", "N", "")
    child = custody.divide(tube.pk, code="T1a", volume_ul=Decimal(100), by=technician)
    assert (child.centrifugation, child.storage) == ("B", "")
    with pytest.raises(RefusedHandling, match="Nothing of this is new by the books of T1"):
        custody.process(tube.pk, {"centrifugation": "B"}, by=technician)
    with pytest.raises(RefusedHandling, match="has this on the books already, and otherwise"):
        custody.process(tube.pk, {"centrifugation": "C"}, by=technician)
    custody.process(
        tube.pk, {"centrifugation": "C", "storage": "A"}, reason="a slip", by=technician
    )
    told = handling.handling_of(Sample.objects.get(pk=tube.pk)).judgement
    assert told.sprec.split("-")[3:] == ["C", "N", "X", "A"]
    assert {"centrifugation", "second_centrifugation", "storage"}.isdisjoint(told.gaps)
    event = EVENTS[Sample].objects.filter(pgh_obj_id=tube.pk).last()
    assert event.pgh_context["reason"] == "a slip"


@pytest.mark.parametrize(
    ("spun", "said"),
    [
        ({"centrifugation": "N", "second_centrifugation": "A"}, "but never a first time"),
        ({"second_centrifugation": "M"}, "as a first centrifugation only"),
        ({"storage": "P"}, "'P' is not a valid choice"),
    ],
)
def test_what_sprec_does_not_know_is_refused(tube, technician, spun, said):
    with pytest.raises(UnusableRequest, match=said):
        custody.process(tube.pk, spun, by=technician)


def test_spins_and_storage_are_recorded_in_the_portal_and_by_the_api(tube, technician, browse, api):
    page, path = browse(technician), f"/samples/{tube.pk}/"
    sent = {"verb": "process", "centrifugation": "B", "storage": "D"}
    assert "was spun and is stored." in page.post(path, sent, follow=True).text
    shown = page.get(path).text
    assert "10-15 min, under 3,000 g, room temperature, with brake" in shown
    assert "Cryotube 1-2 mL, -85 to -60 °C" in shown
    api.force_authenticate(technician)
    route = f"/api/v1/samples/{tube.pk}/process"
    told = api.post(route, {"second_centrifugation": "N"}, format="json").json()
    assert (told["centrifugation"], told["second_centrifugation"]) == ("B", "N")
    assert "nothing of it is told" in api.post(route, {"reason": "x"}, format="json").text
    assert api.post(route, {"storage": "Q9"}, format="json").status_code == 400
