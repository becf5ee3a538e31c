"""A scanner at the bench: many tubes, one action, and what was misread."""

from __future__ import annotations

from urllib.parse import unquote_plus

import pytest
from django.utils import timezone

from cohorts.labels import label_text
from cohorts.models import Box, Sample
from cohorts.services.samples import shipping
from tests.factories import ParticipantFactory, SampleFactory, user_with
from tests.portal import books

pytestmark = pytest.mark.django_db
PAGE = "/sites/FUK/scan/"


@pytest.fixture
def bench(browse):
    here, there = books.two_sites()
    person = ParticipantFactory(site=here)
    for number in (1, 2, 3):
        SampleFactory(participant=person, code=f"T{number}", freeze_thaws=0)
    Box.objects.create(site=here, code="B1", n_rows=1, n_columns=3)
    return browse(user_with("LT", here)), here, there


def listed(page):
    return [tube.code for tube in page.context["tubes"]]


def test_each_scan_adds_its_tube_and_the_label_is_verified(bench):
    client, _, _ = bench
    label = label_text("FUK", "T1")
    page = client.post(PAGE, {"scan": label + "\n"})
    assert listed(page) == ["T1"]
    page = client.post(PAGE, {"tube": ["FUK/T1"], "scan": "T2"})
    assert listed(page) == ["T2", "T1"]
    for wrong, words in (
        (label.replace("T1", "T7"), "is misread: scan it again"),
        (label, "FUK/T1 is in the list already"),
        ("T9", "FUK/T9 is no tube of FUK"),
        (label_text("TYO", "T1"), "TYO/T1 is no tube of FUK"),
    ):
        page = client.post(PAGE, {"tube": ["FUK/T1"], "scan": wrong})
        assert page.status_code == 422
        assert words in page.text
        assert listed(page) == ["T1"]
    assert listed(client.post(PAGE, {"tube": ["FUK/T1", "FUK/T2"], "drop": "FUK/T1"})) == ["T2"]


def test_one_thaw_for_all_of_them_or_for_none(bench):
    client, _, _ = bench
    tubes = {"tube": ["FUK/T1", "FUK/T2"], "do": "thaw"}
    assert "Tubes thawed: 2." in client.post(PAGE, tubes, follow=True).text
    assert sorted(Sample.objects.values_list("freeze_thaws", flat=True)) == [0, 1, 1]
    Sample.objects.filter(code="T2").update(status="blocked")
    refused = client.post(PAGE, tubes)
    assert "T2 is blocked; nothing more is done with it." in refused.text
    assert listed(refused) == ["T2", "T1"]
    assert Sample.objects.get(code="T1").freeze_thaws == 1


def test_tubes_fill_the_free_places_of_a_box_in_the_order_scanned(bench):
    client, _, _ = bench
    boxed = {"tube": ["FUK/T3"], "do": "box", "box": "B1"}
    assert "1 tube lies in B1 1/1 to 1/1." in client.post(PAGE, boxed, follow=True).text
    boxed["tube"] = ["FUK/T2", "FUK/T1"]
    client.post(PAGE, boxed)
    places = dict(Sample.objects.values_list("code", "box_column"))
    assert places == {"T3": 1, "T2": 2, "T1": 3}
    SampleFactory(participant=ParticipantFactory(site=Sample.objects.first().site), code="T4")
    refused = client.post(PAGE, boxed | {"tube": ["FUK/T4"]})
    assert "Box B1 is short of places (free: 0, scanned: 1)" in refused.text
    assert "FUK has no box" in client.post(PAGE, boxed | {"box": "B7"}).text


def test_shipping_and_receiving_go_on_to_their_forms_with_the_tubes_filled_in(bench, browse):
    client, here, there = bench
    sent = client.post(PAGE, {"tube": ["FUK/T1", "FUK/T2"], "do": "ship"})
    assert unquote_plus(sent["Location"]) == "/sites/FUK/shipments/?samples=T1\nT2"
    assert "T1\nT2</textarea>" in client.get(sent["Location"]).text
    sender = user_with("LT", here)
    made = shipping.send(here, there, ["T1", "T2"], courier="C", sent_at=timezone.now(), by=sender)
    receiver = browse(user_with("LT", there))
    page = receiver.post("/sites/TYO/scan/", {"scan": label_text("FUK", "T1")})
    assert listed(page) == ["T1"]
    taken = {"tube": ["FUK/T1"], "do": "thaw"}
    assert "receive it first" in receiver.post("/sites/TYO/scan/", taken).text
    answer = receiver.post("/sites/TYO/scan/", taken | {"do": "receive"})
    assert answer["Location"] == f"/shipments/{made.pk}/?tubes=T1"
    assert "T1</textarea>" in receiver.get(answer["Location"]).text
    assert "on no shipment" in client.post(PAGE, {"tube": ["FUK/T3"], "do": "receive"}).text


def test_a_box_shows_its_tubes_in_their_places_and_what_is_free(bench):
    client, _, _ = bench
    client.post(PAGE, {"tube": ["FUK/T2"], "do": "box", "box": "B1"})
    box = Box.objects.get()
    assert f'href="/boxes/{box.pk}/"' in client.get("/sites/FUK/samples/").text
    page = client.get(f"/boxes/{box.pk}/")
    assert [[tube and tube.code for tube in row] for _, row in page.context["rows"]] == [
        ["T2", None, None]
    ]
    assert "1 tube · 2 free places" in page.text


def test_who_only_reads_tubes_does_not_scan(browse):
    here, _ = books.two_sites()
    assert browse(user_with("AU", here)).get(PAGE).status_code == 403
