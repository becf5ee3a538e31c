"""A box is put on the books and moved on pages; where it stood stays readable."""

from __future__ import annotations

import pytest

from cohorts.errors import NotAllowed
from cohorts.models import Box
from cohorts.services.samples import boxes
from tests.factories import SiteFactory, user_with

pytestmark = pytest.mark.django_db
NEW = {"code": "B1", "place": "Freezer 1", "n_rows": 5, "n_columns": 8}


@pytest.fixture
def site():
    return SiteFactory(code="FUK")


@pytest.fixture
def page(site, browse):
    return browse(user_with("LT", site))


def test_a_technician_adds_a_box_and_moves_it_with_the_reason(site, page):
    assert "/sites/FUK/boxes/new/" in page.get("/sites/FUK/samples/").content.decode()
    added = page.post("/sites/FUK/boxes/new/", NEW)
    box = Box.objects.get()
    assert (added.status_code, added["Location"]) == (302, f"/boxes/{box.pk}/")
    assert (box.site, box.code, box.n_rows, box.n_columns) == (site, "B1", 5, 8)
    moved = {"place": "Freezer 2", "reason": "the first one failed"}
    shown = page.post(f"/boxes/{box.pk}/", moved, follow=True).content.decode()
    assert "The box has moved." in shown
    assert "Freezer 1 → Freezer 2" in shown
    assert "the first one failed" in shown


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"code": "B0"}, "This site has a box with that code already."),
        ({"n_rows": 51}, "Ensure this value is less than or equal to 50."),
        ({"code": ""}, "This field is required."),
    ],
)
def test_a_box_that_cannot_be_is_refused_in_words(site, page, said, sentence):
    Box.objects.create(site=site, code="B0")
    answer = page.post("/sites/FUK/boxes/new/", NEW | said)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert Box.objects.count() == 1


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"place": "Freezer 1", "reason": "x"}, "The box stands there already."),
        ({"place": "Freezer 2", "reason": ""}, "This field is required."),
    ],
)
def test_a_move_without_a_reason_or_to_where_it_stands_is_refused(site, page, said, sentence):
    box = Box.objects.create(site=site, code="B1", place="Freezer 1")
    answer = page.post(f"/boxes/{box.pk}/", said)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    box.refresh_from_db()
    assert box.place == "Freezer 1"


def test_who_handles_no_samples_moves_no_box(site, browse):
    box = Box.objects.create(site=site, code="B1", place="Freezer 1")
    auditor = user_with("AU", site)
    shown = browse(auditor).get(f"/boxes/{box.pk}/").content.decode()
    assert "Move the box" not in shown
    sent = {"place": "Freezer 2", "reason": "x"}
    assert browse(auditor).post(f"/boxes/{box.pk}/", sent).status_code == 403
    with pytest.raises(NotAllowed, match="does not handle samples"):
        boxes.move_box(box.pk, place="Freezer 2", reason="x", by=auditor)
    elsewhere = browse(user_with("LT", SiteFactory(code="OSA")))
    assert elsewhere.post(f"/boxes/{box.pk}/", sent).status_code == 404
