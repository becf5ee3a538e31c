"""Pages, the admin and the operators' addresses open to those who may."""

from __future__ import annotations

import pytest
from django.urls import reverse

from analysis.models import Run
from cohorts import models
from cohorts.models.scoping import ScopedQuerySet
from tests.access.table import (
    ANY_SENDER,
    BEFORE_RELEASE,
    CONSENTERS,
    CORRECTORS,
    DIVIDERS,
    GUARDED,
    HANDLERS,
    MOVERS,
    OF_A_KEY,
    OWN_ACCOUNT,
    READERS,
    RESULT_READERS,
    STAFF_READERS,
    STARTERS,
    TRAIL_READERS,
    TRAIL_TAKERS,
    UPLOAD_READERS,
    VALUE_READERS,
    WITHDRAWERS,
)
from tests.access.world import EVERYBODY, Identity, World, account_of, api_of, outcome, page_outcome

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_the_api_describes_itself_to_those_who_log_in(who, world):
    client = api_of(who, world)
    known = who.state in ("active", "expired")
    for path in ("schema", "docs"):
        assert client.get(f"/api/v1/{path}").status_code == (200 if known else 401)
    assert client.get("/api/v1/nonsense").status_code == (404 if known else 401)
    assert client.get("/api/v1/").status_code == 302


def own_id(world: World) -> int:
    return world.sites["own"].pk


def test_nobody_reaches_what_guards_an_account_without_signing_in(client):
    for name in GUARDED:
        answer = client.get(reverse(name))
        assert (answer.status_code, "/login/" in answer["Location"]) == (302, True), name
    for name in OF_A_KEY:
        assert "/login/" in client.get(reverse(name, args=[1]))["Location"], name


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_pages_are_shown_as_the_table_says(who, world, browse, client):
    page = client if who.state == "anonymous" else browse(account_of(who, world))
    known = who.state in ("active", "expired")
    for place, site in world.sites.items():
        for name, roles in (
            ("site", READERS["sites"]),
            ("upload", ANY_SENDER),
            ("withdrawal", WITHDRAWERS),
            ("consent", CONSENTERS),
            ("queries", READERS["queries"]),
            ("audit-trail", TRAIL_READERS),
            ("audit-trail-csv", TRAIL_TAKERS),
            ("scan", HANDLERS),
            ("people", READERS["participants"]),
            ("enrol", CONSENTERS),
            ("erasures", READERS["erasures"]),
            ("exports", READERS["exports"]),
            ("renewals", READERS["consents"]),
            ("consent-forms", READERS["consents"]),
            ("box-new", DIVIDERS),
        ):
            expected = page_outcome(who, roles, READERS["sites"], place)
            status = page.get(reverse(name, args=[site.code])).status_code
            assert status == expected, (name, place)
        for resource in ("queries", "samples", "shipments", "boxes"):
            expected = page_outcome(who, READERS[resource], READERS[resource], place)
            name = {"queries": "query", "boxes": "box"}.get(resource, resource[:-1])
            status = page.get(reverse(name, args=[world.keys[resource][place]])).status_code
            assert status == expected, name
        person = world.people[place]
        expected = page_outcome(who, MOVERS, READERS["transfers"], place)
        moving = world.keys["transfers"][place]
        assert page.get(reverse("transfer", args=[moving])).status_code == expected, place
        for name, roles in (
            ("person", READERS["participants"]),
            ("person-correct", CORRECTORS),
            ("person-merge", CORRECTORS),
            ("person-move", MOVERS),
            ("person-visit", CONSENTERS),
            ("person-interview", CONSENTERS),
            ("person-same", "CD"),
            ("person-different", "CD"),
            ("person-values", VALUE_READERS),
        ):
            expected = page_outcome(who, roles, READERS["participants"], place)
            assert page.get(reverse(name, args=[person.pk])).status_code == expected, (name, place)
        batch = world.keys["assay-batches"][place]
        expected = page_outcome(who, VALUE_READERS, READERS["assay-batches"], place)
        assert page.get(reverse("batch-values", args=[batch])).status_code == expected, place
        paper, _made = models.ConsentForm.objects.get_or_create(
            site=world.sites[place], version="9", offered_scopes=["store_samples"]
        )
        expected = page_outcome(who, READERS["consents"], READERS["consents"], place)
        assert page.get(reverse("consent-form", args=[paper.pk])).status_code == expected, place
        consent = reverse("consent-record", args=[world.keys["consents"][place]])
        expected = page_outcome(who, READERS["consents"], READERS["consents"], place)
        assert page.get(consent).status_code == expected, place
        expected = page_outcome(who, CONSENTERS, READERS["consents"], place)
        sent = page.post(consent, {}).status_code  # what is sent by who may is refused for its gaps
        assert sent == (422 if expected == 200 else expected), place
        assessment = world.keys["assessments"][place]
        for name, roles in (
            ("entry-second", CORRECTORS),
            ("entry-comparison", READERS["assessments"]),
        ):
            expected = page_outcome(who, roles, READERS["assessments"], place)
            assert page.get(reverse(name, args=[assessment])).status_code == expected, name
        instrument = models.Instrument.objects.get_or_create(code="HQ", title="HQ")[0].pk
        expected = page_outcome(who, CONSENTERS, READERS["participants"], place)
        scale = page.get(reverse("person-scale", args=[person.pk, instrument])).status_code
        assert scale == (404 if expected == 200 else expected), place  # HQ here has no items
        for kind, key in world.uploads[place].items():
            expected = page_outcome(who, UPLOAD_READERS[kind], UPLOAD_READERS[kind], place)
            assert page.get(reverse("upload-report", args=[key])).status_code == expected, kind
    for state, run in world.runs.items():
        # The administrator's page of a released run is judged by the next test.
        reader = RESULT_READERS if state == "released" else BEFORE_RELEASE
        status = page.get(reverse("run", args=[run.pk])).status_code
        assert (status == 200) == (who.holds(reader)), state
        status = page.get(reverse("run-plots", args=[run.pk])).status_code
        assert (status == 200) == (who.holds(reader)), state
    study = world.sites["own"].study.code
    for name, more in (("dictionary", []), ("dictionary-file", [1])):
        status = page.get(reverse(name, args=[study, *more])).status_code
        assert (status == 200) == who.holds(READERS["dictionaries"]), name
    for name in ("home", *OWN_ACCOUNT - {"token-revoke", "account-mails"}):
        assert page.get(reverse(name)).status_code == (200 if known else 302), name
    staff = page.get(reverse("staff")).status_code
    assert staff == ((200 if who.holds(STAFF_READERS) else 403) if known else 302)
    page.post(reverse("staff"), {"email": "a@example.org", "role": "LT", "site": own_id(world)})
    invites = who.holds("SD AD") and who.covers("own")
    assert models.Invitation.objects.exists() == invites
    runs = page.get(reverse("runs")).status_code
    assert (runs == 200) == who.holds(READERS["runs"])
    started = page.post(reverse("run-ask"), {"plan": "p"})
    assert Run.objects.filter(state="queued").exists() == who.holds(STARTERS), started.status_code


def test_a_page_shows_an_administrator_no_result(world, browse):
    page = browse(account_of(Identity("AD", "everywhere"), world))
    answer = page.get(reverse("run", args=[world.runs["released"].pk]))
    assert answer.status_code in (403, 404) or "tally" not in answer.context


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_the_admin_opens_to_the_consortiums_two(who, world, browse, client):
    page = client if who.state == "anonymous" else browse(account_of(who, world))
    assert (page.get("/admin/").status_code == 200) == who.holds("CD AD")


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_operators_see_how_the_platform_runs(who, world):
    client = api_of(who, world)
    assert client.get("/healthz").status_code == 200
    assert client.get("/readyz").status_code == 503  # no sweep has run in this world
    expected = outcome(who, "CD AU AD", "shared")
    assert client.get("/metrics").status_code == expected


def test_every_queryset_that_people_see_has_the_one_door():
    for each in ScopedQuerySet.__subclasses__():
        assert callable(each.visible_to)
