"""The core tasks of a site in a browser that runs no script."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from cohorts.models import Assessment, Instrument, Participant, Query
from tests.factories import PASSWORD, user_with
from tests.portal import books, shelf

pytestmark = pytest.mark.django_db(transaction=True)
PERSON = "FUK-900"


@pytest.fixture
def full():
    return shelf.filled()


def test_a_person_is_enrolled_consents_answers_a_scale_and_withdraws(open_as, full):
    scale = {"title": "Five items", "languages": ["en"], "n_items": 5, "item_min": 0}
    Instrument.objects.create(code="HQ-5", version="1", item_max=4, **scale)
    user_with("SC", full.site, username="sato")
    page = open_as(java_script_enabled=False)
    page.goto("/")
    page.get_by_label("User name").fill("sato")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Log in", exact=True).click()

    page.goto("/sites/FUK/enrol/")
    page.get_by_label("Study code").fill(PERSON)
    page.get_by_label("Group").select_option("hikikomori")
    page.get_by_label("Sex").select_option("male")
    page.get_by_label("Enrolled on").fill("2026-02-01")
    page.get_by_role("button", name="Enrol", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text(f"{PERSON} is enrolled.")

    page.get_by_role("link", name="HQ-5").click()
    page.get_by_label("Answered on").fill("2026-02-01")
    for item in range(1, 6):
        page.locator(f"[name=item_{item}][value='2']").check()
    page.get_by_role("button", name="Show progress").click()
    expect(page.get_by_text("5 of 5 items answered")).to_be_visible()
    page.get_by_role("button", name="Record", exact=True).click()
    assert list(Assessment.objects.get(participant__code=PERSON).items) == [2] * 5

    page.goto("/sites/FUK/consent/")
    page.get_by_label("Participant", exact=True).fill(PERSON)
    page.get_by_label("Signed on", exact=True).fill("2026-02-01")
    page.get_by_role("checkbox").first.check()
    page.get_by_label("Basis", exact=True).fill("signed on paper")
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_role("status")).to_contain_text(PERSON)

    page.goto("/sites/FUK/withdrawal/")
    page.get_by_label("Participant", exact=True).fill(PERSON)
    page.get_by_role("radio").nth(2).check()
    page.get_by_role("button", name="Record it").click()
    expect(page.get_by_role("status")).to_contain_text("in force now")
    assert Participant.objects.get(code=PERSON).withdrawals.get().level == 3
    assert page.complaints == []


def test_a_table_is_sent_accepted_and_followed_a_query_answered_and_a_claim_read(open_as, full):
    page = open_as(user_with("SC", full.site), java_script_enabled=False)
    page.goto("/sites/FUK/upload/")
    page.get_by_label("What is in the table").select_option("participants")
    table = f"participant,sex,group,enrolled_on\n{PERSON},female,healthy_control,2026-02-01\n"
    page.get_by_label("File", exact=True).set_input_files([books.csv(table)])
    page.get_by_role("button", name="Check the table").click()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Accepted.")).to_be_visible()
    page.get_by_role("link", name="see the runs that follow").click()
    expect(page.get_by_role("heading", name="The runs that follow")).to_be_visible()

    page.goto("/sites/FUK/queries/")
    page.get_by_role("link", name="Was this tube spun").click()
    page.get_by_label("Your words").fill("At ten, by the log.")
    page.get_by_role("button", name="Answer").click()
    expect(page.get_by_text("At ten, by the log.")).to_be_visible()
    assert Query.objects.get(pk=full.query.pk).state == "answered"

    page.goto("/claims/K22-5/")
    expect(page.get_by_role("heading", level=1)).to_contain_text("bilirubin")
    expect(page.get_by_text("replicated").first).to_be_visible()
    assert page.complaints == []
