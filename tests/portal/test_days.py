"""A day of each role, from the first page to what they came for."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone, translation
from playwright.sync_api import expect

from cohorts.labels import label_text
from cohorts.language.sentences import say
from cohorts.language.told import told
from cohorts.models import Consent, Query, Sample, Shipment
from tests.factories import user_with
from tests.portal import shelf

pytestmark = pytest.mark.django_db(transaction=True)
PHONE = {"width": 390, "height": 844}


@pytest.fixture
def full():
    return shelf.filled()


@pytest.fixture(params=["en", "ja"])
def t(request):
    """A function: words of a page in the language of this day."""

    def said(template: str, **values: object) -> str:
        with translation.override(request.param):
            return told(say(template, **values))

    said.language = request.param
    return said


def test_a_nurse_finds_who_lacks_a_consent_and_records_it_on_a_phone(open_as, full, t):
    page = open_as(user_with("SC", full.site), viewport=PHONE, locale=t.language)
    page.goto("/")
    row = page.get_by_role("row").filter(has_text=t("No consent in force"))
    expect(row).to_contain_text("3")
    row.get_by_role("link").click()
    page.get_by_role(
        "link",
        name=re.compile(
            t("Record the new consent") + ".*FUK-021|FUK-021.*" + t("Record the new consent")
        ),
    ).click()
    expect(page.get_by_label(t("Participant"), exact=True)).to_have_value("FUK-021")
    page.get_by_label(t("Signed on"), exact=True).fill("2026-01-09")
    for box in page.get_by_role("checkbox").all()[:3]:
        box.check()
    page.get_by_label(t("Basis"), exact=True).fill("signed on paper")
    page.get_by_role("button", name=t("Record it")).click()
    expect(page.get_by_role("status")).to_contain_text("FUK-021")
    assert Consent.objects.filter(participant__code="FUK-021").count() == 1
    page.goto("/")
    expect(page.get_by_role("row").filter(has_text=t("No consent in force"))).to_contain_text("2")
    assert page.complaints == []


def test_a_technician_scans_a_tray_and_ships_it_without_touching_the_mouse(open_as, full, t):
    page = open_as(user_with("LT", full.site), locale=t.language)
    page.goto("/sites/FUK/scan/")
    for number in (14, 15, 16):
        page.keyboard.type(label_text("FUK", f"FUK-{number:03}-P"))
        page.keyboard.press("Enter")
        expect(
            page.get_by_text(t("%(fresh)s is in the list.", fresh=f"FUK/FUK-{number:03}-P"))
        ).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile("3"))).to_be_visible()
    page.get_by_role("button", name=t("Record a thaw")).click()
    expect(page.get_by_text(t("Tubes thawed: %(n)s.", n=3))).to_be_visible()
    thawed = Sample.objects.filter(site=full.site, code__gte="FUK-014", freeze_thaws=1)
    assert thawed.count() == 3
    page.keyboard.type("FUK-017-P")
    page.keyboard.press("Enter")
    page.get_by_role("button", name=t("Ship…")).click()
    expect(page.get_by_label(t("Tubes"), exact=True)).to_have_value("FUK-017-P")
    page.get_by_label(t("To"), exact=True).select_option(label="TYO Tokyo")
    page.get_by_label(t("Courier"), exact=True).fill("Yamato")
    page.get_by_label(t("Handed over")).fill(f"{timezone.now():%Y-%m-%dT%H:%M}")
    page.get_by_role("button", name=t("Record the shipment")).click()
    expect(page.get_by_role("status").filter(has_text="TYO")).to_be_visible()
    assert Shipment.objects.count() == 3


def test_a_data_manager_settles_a_query_of_the_start_page(open_as, full, t):
    auditor, manager = user_with("AU", full.site), user_with("SD", full.site)
    Query.objects.filter(pk=full.query.pk).update(raised_by=auditor)
    page = open_as(manager, locale=t.language)
    page.goto("/sites/FUK/")
    page.get_by_role("link", name=t("Data queries")).click()
    page.get_by_role("link", name="Was this tube spun").click()
    page.get_by_label(t("Your words")).fill("Yes: 10:00, by the log of the centrifuge.")
    page.get_by_role("button", name=t("Answer")).click()
    expect(page.get_by_text("by the log of the centrifuge")).to_be_visible()
    assert Query.objects.get(pk=full.query.pk).state == "answered"


def test_an_analyst_goes_from_a_claim_to_its_sites_and_the_plots(open_as, full, t):
    page = open_as(user_with("CA"), viewport=PHONE, locale=t.language)
    page.goto("/")
    page.get_by_role("link", name=t("open the run")).click()
    expect(page.get_by_role("img", name=re.compile("ornithine"))).to_be_visible()
    page.get_by_role("link", name=t("Plots")).click()
    expect(page.locator("[data-plot=components] svg").first).to_be_attached()
    expect(page.get_by_role("heading", name=t("Plots"), exact=True)).to_be_visible()
    answer = page.goto(page.get_by_role("link", name=t("Data")).last.get_attribute("href"))
    assert "components_after" in answer.text()


def test_an_auditor_reads_everything_of_the_site_and_is_offered_no_change(open_as, full, t):
    page = open_as(user_with("AU", full.site), locale=t.language)
    for address in (
        "/",
        "/sites/FUK/",
        "/sites/FUK/participants/",
        f"/participants/{full.person.pk}/",
        f"/samples/{full.tube.pk}/",
        f"/shipments/{full.sent.pk}/",
        f"/batches/{full.batch.pk}/",
        f"/runs/{full.run.pk}/",
    ):
        assert page.goto(address).status == 200
        assert page.locator("main form[method=post]").count() == 0, address
    assert page.complaints == []
