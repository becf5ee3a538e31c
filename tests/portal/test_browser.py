"""What people do in the browser, in a real one."""

from __future__ import annotations

import re
from datetime import date

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import expect

from analysis.models import Run
from cohorts.models import Instrument, Participant, Upload
from tests.factories import PASSWORD, ParticipantFactory, user_with
from tests.portal import books

pytestmark = pytest.mark.django_db(transaction=True)


def log_in(page, name, password):
    page.goto("/")
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def send(page, content):
    page.goto("/sites/FUK/upload/")
    page.get_by_label("What is in the table").select_option("participants")
    page.get_by_label("File", exact=True).set_input_files([books.csv(content)])
    page.get_by_role("button", name="Check the table").click()


def test_a_coordinator_logs_in_and_reads_what_is_wrong_with_a_table(open_as):
    site, _ = books.two_sites()
    user_with("SC", site, username="sato")
    page = open_as()
    log_in(page, "sato", PASSWORD)
    expect(page.get_by_role("heading", name="FUK · Fukuoka")).to_be_visible()
    send(page, books.BAD)
    expect(page.get_by_text("Refused: nothing was stored.")).to_be_visible()
    fault = page.get_by_role("row").filter(has_text="2024-02-31")
    expect(fault).to_contain_text("is no day of the calendar")
    expect(fault).to_contain_text("enrolled_on")
    expect(page.get_by_role("row").filter(has_text="femail")).to_contain_text("female")
    assert not Participant.objects.exists()
    assert page.complaints == []


def test_a_table_without_faults_is_accepted_and_its_people_are_in_the_books(open_as):
    site, _ = books.two_sites()
    page = open_as(user_with("SC", site))
    send(page, books.GOOD)
    expect(page.get_by_text("Nothing is stored yet")).to_be_visible()
    assert not Participant.objects.exists()
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("Accepted.")).to_be_visible()
    assert Participant.objects.filter(site=site).count() == 2
    page.goto("/sites/FUK/")
    expect(page.get_by_text("1 without consent on record")).to_be_visible()
    page.get_by_role("link", name="No consent in force").click()
    expect(page.get_by_role("link", name="FUK-002", exact=True)).to_be_visible()
    send(page, books.GOOD)
    expect(page.get_by_text("sent before and is in the books")).to_be_visible()
    assert Upload.objects.count() == 1


def test_a_correction_is_seen_cell_by_cell_and_accepted_with_its_reason(open_as):
    site, _ = books.two_sites()
    page = open_as(user_with("SC", site))
    send(page, books.GOOD)
    page.get_by_role("button", name="Accept").click()
    send(page, books.GOOD.replace("1995", "1996"))
    row = page.get_by_role("row").filter(has_text="birth_year")
    expect(row).to_contain_text("1995")
    expect(row).to_contain_text("1996")
    page.get_by_label("Why are these values corrected?").fill("typing error")
    page.get_by_role("button", name="Accept").click()
    expect(page.get_by_text("typing error")).to_be_visible()
    assert Participant.objects.get(code="FUK-001").birth_year == 1996
    assert page.complaints == []


def test_a_discarded_table_is_not_in_the_books(open_as):
    site, _ = books.two_sites()
    page = open_as(user_with("SC", site))
    send(page, books.GOOD)
    page.get_by_role("button", name="Discard").click()
    expect(page.get_by_text("The table is discarded")).to_be_visible()
    assert not Participant.objects.exists()


def test_sending_needs_no_scripts(open_as):
    site, _ = books.two_sites()
    page = open_as(user_with("SD", site), java_script_enabled=False)
    page.goto("/sites/FUK/upload/")
    expect(page.get_by_label("Platform")).to_be_visible()
    page.get_by_label("What is in the table").select_option("assays")
    page.get_by_label("File", exact=True).set_input_files([books.csv("sample,a [umol/L]\nX,1\n")])
    page.get_by_role("button", name="Check the table").click()
    expect(page.get_by_text("An assay table needs its platform")).to_be_visible()


def test_options_of_assays_show_for_assays_only(open_as):
    site, _ = books.two_sites()
    page = open_as(user_with("SD", site))
    page.goto("/sites/FUK/upload/")
    # A data manager corrects every kind of table, and sends new ones of assays alone.
    expect(page.get_by_label("Platform")).to_be_hidden()
    page.get_by_label("What is in the table").select_option("assays")
    expect(page.get_by_label("Platform")).to_be_visible()
    coordinator = open_as(user_with("SC", site))
    coordinator.goto("/sites/FUK/upload/")
    expect(coordinator.get_by_label("Platform")).to_be_hidden()


def test_a_wrong_password_is_said_in_words(open_as):
    site, _ = books.two_sites()
    user_with("SC", site, username="sato")
    page = open_as()
    log_in(page, "sato", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("The user name or the password is wrong")
    expect(page.get_by_label("User name")).to_have_value("sato")


def test_an_analyst_reads_verdicts_and_a_forest_plot(open_as):
    run = books.concluded(books.run_of(books.followed_plan()))
    page = open_as(user_with("CA"))
    page.goto("/runs/latest/?plan=kyushu-2022")
    assert page.url.endswith(f"/runs/{run.pk}/")
    claim = page.locator(".claims > li").filter(has_text="K22-2")
    expect(claim).to_contain_text("replicated")
    expect(claim).to_contain_text("+0.41 (+0.12 to +0.70)")
    expect(page.locator(".claims > li").filter(has_text="K22-6")).to_contain_text("not testable")
    plot = page.get_by_role("img", name="Forest plot of ornithine")
    expect(plot).to_be_visible()
    expect(plot).to_contain_text("FUK")
    expect(page.get_by_text("Telling cases from controls")).to_be_visible()
    assert page.complaints == []


def test_a_run_under_way_is_followed_until_its_results_are_there(open_as):
    run = books.run_of(
        books.followed_plan(), state="running", published_at=None, released_at=None, share_done=0.1
    )
    page = open_as(user_with("CD"))
    page.goto(f"/runs/{run.pk}/")
    expect(page.get_by_text("10 % done")).to_be_visible()
    Run.objects.filter(pk=run.pk).update(share_done=0.5, step="classifying")
    expect(page.get_by_text("50 % done")).to_be_visible()
    books.concluded(run)
    Run.objects.filter(pk=run.pk).update(state="published", published_at=timezone.now())
    expect(page.get_by_text("Published claims and what the sites say")).to_be_visible()
    assert page.complaints == []


def test_another_sites_page_is_not_there(open_as):
    site, _ = books.two_sites()
    page = open_as(user_with("SC", site))
    for address in ("/sites/TYO/", "/sites/TYO/upload/", "/sites/NONE/"):
        assert page.goto(address).status == 404
        expect(page.get_by_role("heading", name="Nothing here")).to_be_visible()


# --- every page, as everybody meets it


def pages_of_the_study(open_as, **look):
    """(name, page) of each page, opened by somebody who uses it."""
    site, _ = books.two_sites()
    ParticipantFactory(site=site, code="FUK-777")
    held = books.concluded(books.run_of(books.followed_plan(), released_at=None, held_because="W"))
    books.concluded(books.run_of(held.plan))
    anybody = open_as(**look)
    anybody.goto("/login/")
    yield "login", anybody
    log_in(anybody, "nobody", "wrong")
    yield "wrong password", anybody
    nurse = open_as(user_with("SC", site), **look)
    send(nurse, books.BAD)
    yield "a refused table", nurse
    for address in (
        *("/sites/FUK/upload/", "/sites/FUK/withdrawal/", "/sites/FUK/consent/"),
        *("/account/tokens/", "/account/password/"),
    ):
        nurse.goto(address)
        yield address, nurse
    for role, addresses in {
        "CA": ["/"],
        "CD": [f"/runs/{held.pk}/"],
    }.items():
        page = open_as(user_with(role), **look)
        for address in addresses:
            page.goto(address)
            yield f"{role} {address}", page


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 390)])
def test_every_page_is_readable_for_everybody(open_as, scheme, width):
    axe, faults = Axe(), []
    look = {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}
    for name, page in pages_of_the_study(open_as, **look):
        found = axe.run(page).response["violations"]
        faults += [(name, v["id"], [n["html"][:120] for n in v["nodes"]]) for v in found]
        sideways = page.evaluate(
            "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        if sideways > 0:
            faults.append((name, f"scrolls sideways by {sideways} px", []))
        # The browser itself notes an answer of 422 as an error.
        faults += [(name, said, []) for said in page.complaints if not re.search(r"\b422\b", said)]
        page.complaints.clear()
    assert faults == []


def test_a_scale_tells_its_progress_and_score_at_every_answer_and_stores_nothing(open_as):
    person = ParticipantFactory(enrolled_on=date(2024, 4, 1))
    scale = Instrument.objects.create(
        code="SHORT",
        version="1",
        title="Short scale",
        languages=["en"],
        n_items=3,
        item_min=0,
        item_max=4,
    )
    page = open_as(user_with("SC", person.site))
    page.goto(f"/participants/{person.pk}/scales/{scale.pk}/")
    page.get_by_label("Answered on").fill("2024-05-01")
    page.locator("fieldset.item").nth(0).get_by_label("4").check()
    expect(page.get_by_text("1 of 3 items answered")).to_be_visible()
    page.locator("fieldset.item").nth(1).get_by_label("2").check()
    expect(page.get_by_text("2 of 3 items answered")).to_be_visible()
    assert not person.assessments.exists()
    assert page.complaints == []
