"""The portal, the command, the API and the admin ask, approve and stop."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import call_command
from django.utils import timezone

from analysis.services import erasures
from cohorts.models import (
    Erasure,
    Withdrawal,
)
from cohorts.services.erasing import erasure
from tests.cohorts.erasing.canaries import (
    CANARY,
)
from tests.factories import user_with

pytestmark = pytest.mark.django_db


def test_the_portals_withdrawal_page_asks_for_the_erasure(canary, people, browse):
    said = {"participant": CANARY, "level": 4, "note": ""}
    page = browse(people[0]).post("/sites/FUK/withdrawal/", said, follow=True)
    assert "the approval of a data manager" in page.content.decode()
    assert Erasure.objects.get().requested_by == people[0]
    # The consortium's data manager is told as well, and opens a request all the same.
    browse(user_with("CD")).post("/sites/FUK/withdrawal/", said | {"participant": "A001"})
    assert Withdrawal.objects.get(participant__code="A001").level == 4
    assert Erasure.objects.open().count() == 2


def test_the_command_asks_approves_and_stops(canary, people, capsys):
    asker, approver = (person.username for person in people)
    call_command("erase", "FUK", CANARY, by=asker)
    call_command("erase", "FUK", CANARY, by=approver, approve=True)
    call_command("erase", "FUK", CANARY, by=approver, stop=True, reason="asked to wait")
    with pytest.raises(SystemExit):
        call_command("erase", "FUK", CANARY, by=approver, stop=True, reason="again")
    assert Erasure.objects.get().state == "stopped"
    assert f"No erasure of {CANARY} is open" in capsys.readouterr().err


def test_the_api_tells_the_state_and_then_the_receipt(canary, people, api):
    asker, approver = people
    api.force_authenticate(asker)
    body = {"site": "FUK", "participant": CANARY}
    made = api.post("/api/v1/erasures", body, format="json")
    assert (made.status_code, made.json()["state"]) == (201, "requested")
    assert api.post("/api/v1/erasures", body, format="json").status_code == 409
    path = f"/api/v1/erasures/{made.json()['id']}"
    api.force_authenticate(approver)
    approved = api.post(f"{path}/approve").json()
    assert approved["approved_by"] == approver.username
    assert approved["due_at"] > approved["approved_at"]
    erasures.execute_due(timezone.now() + timedelta(hours=25))
    told = api.get(path).json()
    assert (told["state"], told["participant"]) == ("executed", None)
    assert told["receipt"]["rows"]["participant"] == 1
    assert CANARY not in api.get("/api/v1/changes").content.decode()


def test_the_consortiums_data_manager_approves_in_the_admin(canary, people, browse):
    asked = erasure.request(canary.pk, by=people[0])
    steward = user_with("CD")
    form = {"action": "approve", "_selected_action": [asked.pk]}
    page = browse(steward).post("/admin/cohorts/erasure/", form, follow=True)
    assert "is approved" in page.content.decode()
    asked.refresh_from_db()
    assert asked.approved_by == steward
    again = browse(steward).post("/admin/cohorts/erasure/", form, follow=True)
    assert "approved already" in again.content.decode()


def test_a_withdrawal_of_level_4_over_the_api_opens_the_request(canary, people, api):
    api.force_authenticate(user_with("CD"))
    body = {"site": "FUK", "participant": CANARY, "level": 4}
    assert api.post("/api/v1/withdrawals", body, format="json").json()["meaning"] == "erase"
    assert Erasure.objects.get().state == "requested"
    again = api.post("/api/v1/withdrawals", body, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "erasure_refused")


def test_the_page_approves_and_stops(canary, people, browse):
    asked = erasure.request(canary.pk, by=people[0])
    asker, approver = browse(people[0]), browse(people[1])
    decide = f"/erasures/{asked.pk}/"
    assert "Approve<" not in asker.get("/sites/FUK/erasures/").content.decode()
    assert "Approve<" in approver.get("/sites/FUK/erasures/").content.decode()
    words = asker.post(decide, {"approve": 1}, follow=True).content.decode()
    assert "You asked for this erasure; somebody else must approve it." in words
    assert (
        "Approved; it is carried out after"
        in approver.post(decide, {"approve": 1}, follow=True).content.decode()
    )
    assert "Say why the erasure is stopped" in approver.post(decide, follow=True).content.decode()
    said = {"reason": "asked to wait"}
    assert "Stopped." in approver.post(decide, said, follow=True).content.decode()
