"""The permission matrix, walked: every route, as everybody, at the own site and at another's.

What each role may do stands here a second time, by hand, so that a slip in the table that the
program enforces is found too. A route that has no row here fails the walk.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pandas as pd
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.urls import get_resolver, reverse
from django.utils import timezone
from rest_framework.test import APIClient

from analysis import webhook_http
from analysis.models import Claim, Plan, Run, RunDocument, RunTable, WebhookEndpoint
from analysis.services import freshness
from cohorts import models
from cohorts.models.scoping import ScopedQuerySet
from tests.factories import (
    AssayBatchFactory,
    ConsentFactory,
    FeatureFactory,
    MembershipFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    UploadFactory,
)

pytestmark = pytest.mark.django_db

SITE_ROLES, CONSORTIUM_ROLES = ("SC", "SD", "LT", "AU"), ("CA", "CD", "AD")
KINDS = ("participants", "samples", "assessments", "assays")
# Resource -> who reads it. Rows of a site, then what belongs to no site.
READERS = {
    "sites": "SC SD LT CA CD AU AD",
    "participants": "SC SD CD AU",
    "transfers": "SC SD CD AU",
    "consents": "SC SD CD AU",
    "withdrawals": "SC SD CD AU",
    "erasures": "SC SD CD AU",
    "exports": "SD CD AU",
    "samples": "SC SD LT CD AU",
    "assessments": "SC SD CD AU",
    "uploads": "SC SD LT CD AU",
    "assay-batches": "SC SD LT CD AU",
    "queries": "SC SD LT CD AU",
    "boxes": "SC SD LT CD AU",
    "shipments": "SC SD LT CD AU",
    "destructions": "SC SD LT CD AU",
    "changes": "SC SD LT CA CD AU",
    "features": "SC SD LT CA CD AU",
    "dictionaries": "SC SD LT CA CD AU",
    "plans": "SC SD CA CD AU",
    "claims": "SC SD LT CA CD AU",
    "runs": "SC SD CA CD AU",
}
SHARED = ("features", "dictionaries", "plans", "claims")
RESULTS = ("effects", "pooled", "claims", "harmonisation", "classifier", "severity", "changes")
# Tables that the plan of this world does not ask for.
ON_REQUEST = ("one-stage", "sensitivity", "moderated", "nested", "transport", "languages")
RESULT_READERS, BEFORE_RELEASE = "SC SD CA CD AU", "CD AU"
RESULT_TAKERS = "CA CD"
# A laboratory reads no report on people, since a report quotes cells.
UPLOAD_READERS = dict.fromkeys(KINDS, "SC SD CD AU") | {
    "samples": "SC SD LT CD AU",
    "assays": "SC SD LT CD AU",
}
SENDERS = {"participants": "SC", "samples": "SC LT", "assessments": "SC", "assays": "SD LT"}
# Who corrects a kind, or approves its corrections, decides over a checked table of it.
DECIDERS = {"participants": "SC SD", "samples": "SC SD LT", "assessments": "SC SD"}
DECIDERS |= {"assays": "SD LT CD"}
FETCHERS = "SD CD"  # of tables that somebody else sent
ANY_SENDER, WITHDRAWERS, STARTERS = "SC SD LT", "SC CD", "CA CD"
CONSENTERS = "SC"
ERASURE_ASKERS, ERASURE_APPROVERS, ERASURE_STOPPERS = "SC", "SD CD", "SC SD CD"
ASKERS = "SC SD CD AU"
STAFF_READERS = "SC SD CD AU AD"
# Signing in itself: tests/cohorts/test_sign_in.py and test_invitations.py speak of it.
PUBLIC = {"login", "logout", "account_login", "account_logout", "account_signup", "invitation"}
PUBLIC |= {f"account_reset_password{step}" for step in ("", "_done", "_from_key")}
PUBLIC |= {"set_language"}  # a cookie of the visitor's own
PUBLIC |= {"account_reset_password_from_key_done", "mfa_authenticate", "mfa_login_webauthn"}
OWN_ACCOUNT = {"tokens", "token-revoke", "mfa_index", "usersessions_list"}
# What guards the account: asks for the password again.
GUARDED = {"mfa_activate_totp", "mfa_deactivate_totp", "mfa_add_webauthn", "mfa_list_webauthn"}
GUARDED |= {f"mfa_{verb}_recovery_codes" for verb in ("view", "generate", "download")}
GUARDED |= {"account_change_password", "account_set_password", "account_reauthenticate"}
GUARDED |= {"mfa_reauthenticate", "mfa_reauthenticate_webauthn"}
OF_A_KEY = {"mfa_remove_webauthn", "mfa_edit_webauthn"}
DIVIDERS, HANDLERS, SHIPPERS = "SC LT", "SC SD LT", "LT"
DESTROYERS, DESTRUCTION_APPROVERS = "LT", "SD"
PAGES = {
    "home",
    "staff",
    "site",
    "upload",
    "withdrawal",
    "consent",
    "upload-report",
    "queries",
    "query",
    "names",
    "feature",
    "batches",
    "batch",
    "upload-remarks",
    "samples",
    "sample",
    "scan",
    "box",
    "labels",
    "shipments",
    "shipment",
    "destructions",
    "runs",
    "run",
    "run-latest",
    "run-plots",
    "dictionary",
    "dictionary-file",
    "person-visit",
    "person-scale",
    "entry-second",
    "entry-comparison",
    "claim",
    "people",
    "person",
    "person-correct",
    "erasures",
    "exports",
    "renewals",
    "person-merge",
    "person-move",
    "transfer",
}
PLACERS, CANCELLERS = "CD", "CA CD"
ACTIONS = {
    *("run-ask", "run-cancel", "run-priority", "api-runs-cancel", "api-runs-priority"),
    *("api-erasures-approve", "api-erasures-stop"),
    *("role-end", "invitation-withdraw"),
}

ACTIONS |= {f"api-samples-{verb}" for verb in ("handling", "divide", "thaw", "measure", "move")}
ACTIONS |= {"api-shipments-receive", "api-destructions-record", "api-destructions-approve"}
ACTIONS |= {f"api-queries-{verb}" for verb in ("answer", "ask-again", "close")}
ACTIONS |= {"api-claims-history", "api-plans-lock"}
ACTIONS |= {f"api-features-{verb}" for verb in ("review", "decide", "lineage")}
ACTIONS |= {f"api-features-{verb}" for verb in ("rename", "merge", "split")}
ACTIONS |= {"api-assay-batches-void", "api-assay-batches-decide-void", "api-assay-quality-qc"}
ACTIONS |= {"api-assay-batches-values"}
VALUE_READERS = "SD CD AU"
ACTIONS |= {"api-webhooks-list", "api-webhooks-detail", "api-webhooks-take-up"}
ACTIONS |= {f"api-webhooks-{verb}" for verb in ("deliveries", "end", "replay", "rotate")}
HOOKED, HOOK_MAKERS = "SC SD CA CD AD", "SC SD CA CD"
VOID_ASKERS, VOID_DECIDERS = "SD LT", "SD CD"
NAME_READERS, NAME_DECIDERS, DICTIONARY_KEEPERS = "SD LT CD AU", "SD CD", "CD"
ACTIONS |= {"api-participants-correct", "api-participants-history"}
CORRECTORS = "SC SD"
TABLE_ACTIONS = {"upload-accept", "upload-discard", "api-uploads-accept", "api-uploads-discard"}
TABLE_ACTIONS |= {"api-uploads-remarks", "upload-encoding", "upload-mapping"}
TABLE_ACTIONS |= {"api-uploads-mapping"}
ACTIONS |= {"api-participants-merge", "api-participants-same-person"}
ACTIONS |= {"api-transfers-accept", "api-transfers-call-off"}
ACTIONS |= {"api-participants-visits", "api-participants-interviews"}
EXPORT_ASKERS, EXPORT_APPROVERS = "SD CD", "SD CD"
ACTIONS |= {f"api-exports-{verb}" for verb in ("approve", "refuse", "file")}
ACTIONS |= {"export-decide", "export-file"}
ACTIONS |= {"erasure-decide", "api-consents-renewals", "api-consents-correct"}
ACTIONS |= {"api-dictionaries-changes", "api-dictionaries-redcap"}
ACTIONS |= {f"api-assessments-{verb}" for verb in ("comparison", "second-entry", "settle")}
MOVERS, LINKERS = "SC", "CD"
HEALTH = {"healthz", "readyz", "metrics"}  # the first two are told to everybody
API_SELF = {"api-root", "schema", "api-docs", "api-nothing"}


# --- who asks


@dataclass(frozen=True)
class Identity:
    """Somebody with a role at a place: own, other, or everywhere (consortium)."""

    role: str
    place: str
    state: str = "active"  # or anonymous, inactive, expired

    def __str__(self) -> str:
        return f"{self.role}-{self.place}-{self.state}"

    def holds(self, roles: str) -> bool:
        return self.state == "active" and self.role in roles.split()

    def covers(self, place: str) -> bool:
        return self.place in ("everywhere", place)


EVERYBODY = [
    *(Identity(role, place) for role in SITE_ROLES for place in ("own", "other")),
    *(Identity(role, "everywhere") for role in CONSORTIUM_ROLES),
    Identity("", "own", "anonymous"),
    *(
        Identity(role, place, state)
        for role, place in (("SC", "own"), ("CD", "everywhere"))
        for state in ("inactive", "expired")
    ),
]


def account_of(who: Identity, world: World, suffix: str = "") -> models.User:
    yesterday = timezone.localdate() - timedelta(days=1)
    return MembershipFactory(
        # Without a password, which would cost a hash in each of these tests.
        user=models.User.objects.create(
            username=f"{who}{suffix}", is_active=who.state != "inactive"
        ),
        role=who.role,
        site=world.sites.get(who.place),
        from_date=yesterday - timedelta(days=30),
        until_date=yesterday if who.state == "expired" else None,
    ).user


def api_of(who: Identity, world: World) -> APIClient:
    client = APIClient()
    if who.state != "anonymous":
        _, key = models.ApiToken.objects.issue(account_of(who, world), "matrix")
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {key}")
    return client


# --- what there is


@dataclass
class World:
    """Two sites with a row of everything each; keys by resource and place."""

    sites: dict[str, models.Site] = field(default_factory=dict)
    people: dict[str, models.Participant] = field(default_factory=dict)
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: dict[str, dict[str, str]] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)

    def add(self, resource: str, place: str, key: Any) -> None:
        self.keys.setdefault(resource, {})[place] = str(key)


@pytest.fixture(autouse=True)
def silent_broker(monkeypatch):
    monkeypatch.setattr(freshness, "ring", lambda *args, **kwargs: True)


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    """Committed once for all these tests; what each of them adds is rolled back."""
    with django_db_blocker.unblock():
        try:
            yield a_world()
        finally:
            call_command("flush", verbosity=0, interactive=False)


def a_world() -> World:
    made = World()
    for place, code in (("own", "OWN"), ("other", "OTH")):
        furnish(made, place, SiteFactory(code=code))
    study = made.sites["own"].study
    plan = Plan.objects.create(study=study, name="p", data={"case": ["a"], "control": ["b"]})
    claim = Claim.objects.create(code="K1", study=study, kind="feature", stratum="all")
    dictionary = models.VariableDictionary.objects.create(study=study, version=1, variables=[])
    shared = (("features", FeatureFactory()), ("plans", plan), ("dictionaries", dictionary))
    for resource, row in shared:
        made.add(resource, "shared", row.pk)
    made.add("claims", "shared", claim.code)
    made.runs = {"released": a_run(plan, released=True), "held": a_run(plan, released=False)}
    return made


def furnish(world: World, place: str, site: models.Site) -> None:
    person = ParticipantFactory(site=site)
    instrument, _ = models.Instrument.objects.get_or_create(code="HQ", title="HQ")
    withdrawal = models.Withdrawal.objects.create(
        participant=person, level=1, effective_on=timezone.localdate()
    )
    transfer = models.Transfer.objects.create(
        participant=person,
        to_site=site,
        reason="a new home",
        asked_by=models.User.objects.create(username=f"moves at {site.code}"),
    )
    stopped = models.Erasure.objects.create(
        site=site,
        participant=person,
        requested_by=models.User.objects.create(username=f"asks at {site.code}"),
        stopped_at=timezone.now(),
        reason="a misunderstanding",
    )
    export = models.ExportRequest.objects.create(
        site=site,
        format="fhir",
        recipient="registry",
        recipient_country="JP",
        reason="yearly",
        asked_by=stopped.requested_by,
    )
    assessment = models.Assessment.objects.create(
        participant=person, instrument=instrument, assessed_on=date(2024, 5, 1)
    )
    uploads = {kind: UploadFactory(site=site, kind=kind) for kind in KINDS}
    change = models.Change.objects.create(
        study=site.study, site=site, kind="samples", counts={"samples": 40}, cause="a table"
    )
    sample = SampleFactory(participant=person)
    query = models.Query.objects.create(site=site, sample=sample, rule="walk", text="Which tube?")
    receiver = SiteFactory(code=f"TO{site.code}")
    world.add("sites", f"beside {place}", receiver.code)
    rows = {
        "sites": site.code,
        "participants": person.pk,
        "transfers": transfer.pk,
        "consents": ConsentFactory(participant=person).pk,
        "withdrawals": withdrawal.pk,
        "erasures": stopped.pk,
        "exports": export.pk,
        "samples": sample.pk,
        "queries": query.pk,
        "boxes": models.Box.objects.create(site=site, code="B1").pk,
        "shipments": models.Shipment.objects.create(
            from_site=site,
            to_site=receiver,
            courier="by hand",
            sent_at=timezone.now(),
        ).pk,
        "destructions": models.Destruction.objects.create(
            site=site, sample=sample, tube=sample.code, cause="withdrawal"
        ).pk,
        "assessments": assessment.pk,
        "assay-batches": AssayBatchFactory(site=site, upload=uploads["assays"]).pk,
        "changes": change.pk,
    }
    for resource, key in rows.items():
        world.add(resource, place, key)
    world.sites[place], world.people[place] = site, person
    world.uploads[place] = {kind: str(upload.pk) for kind, upload in uploads.items()}


WORDS = ("reason", "adjusted_for", "platform", "matrix", "scale", "unit", "source_name", "hmdb")


def a_run(plan: Plan, *, released: bool) -> Run:
    now = timezone.now()
    run = Run.objects.create(
        plan=plan,
        state="published",
        key=f"{released}",
        published_at=now,
        released_at=now if released else None,
    )
    numbers = ["estimate", "se", "df", "p", "hedges_g", "hedges_g_variance", "ci_low", "ci_high"]
    numbers += ["q", "tau2", "i2", "q_statistic", "q_p", "pi_low", "pi_high"]
    row = {"stratum": "all", "feature": "f", "site": "OWN", "n_sites": 2}
    row |= {"n_case": 20, "n_control": 20, "n_below_lod": 0}
    row |= dict.fromkeys(numbers, 0.5) | dict.fromkeys(WORDS, "")
    for name in ("effects", "pooled"):
        RunTable.of(run, name, pd.DataFrame([row])).save()
    for name in ("harmonisation", "classifier", "severity"):
        RunDocument.objects.create(run=run, name=name, data={"refused": ""})
    return run


# --- the walk


def routes(patterns: Any = None, before: str = "") -> list[tuple[str, str]]:
    """(name, pattern) of every address."""
    found = []
    for each in get_resolver().url_patterns if patterns is None else patterns:
        here = before + str(each.pattern)
        if hasattr(each, "url_patterns"):
            found += routes(each.url_patterns, here)
        else:
            found.append((each.name or "", here))
    return found


def names_in_the_table() -> set[str]:
    rows = {f"api-{resource}-{kind}" for resource in READERS for kind in ("list", "detail")}
    rows |= {f"api-runs-{part}" for part in (*RESULTS, *ON_REQUEST, "crate", "latest")}
    pages = PUBLIC | OWN_ACCOUNT | GUARDED | OF_A_KEY | PAGES
    return rows | pages | ACTIONS | TABLE_ACTIONS | API_SELF | HEALTH


def unlisted(found: list[tuple[str, str]]) -> list[str]:
    known = names_in_the_table()
    return [
        pattern
        for name, pattern in found
        if name not in known and not pattern.startswith("admin/")  # one row: test_the_admin
    ]


def test_every_route_has_a_row_in_this_table():
    assert unlisted(routes()) == []
    assert names_in_the_table() <= {name for name, _ in routes()}


def test_a_new_route_without_a_row_is_noticed():
    assert unlisted([*routes(), ("backdoor", "backdoor/")]) == ["backdoor/"]


# --- the matrix of reading


def outcome(who: Identity, roles: str, place: str) -> int:
    """The status that the rules give: 401 without an account, 403 for functions, 404 for places."""
    if who.state in ("anonymous", "inactive"):
        return 401
    if not who.holds(roles):
        return 403
    return 200 if place == "shared" or who.covers(place) else 404


def leaks_of_reading(who: Identity, world: World) -> list[str]:
    """Where an answer differs from the rules, for records of sites and shared reference data."""
    client, wrong = api_of(who, world), []

    def check(label: str, url: str, expected: int) -> Any:
        answer = client.get(url)
        if answer.status_code != expected:
            wrong.append(f"{label}: {answer.status_code}, expected {expected}")
        return answer

    for resource, roles in READERS.items():
        if resource in ("runs", "uploads"):
            continue
        places = world.keys[resource]
        for place, key in places.items():
            check(f"{resource} of {place}", f"/api/v1/{resource}/{key}", outcome(who, roles, place))
        listed = check(f"{resource} list", f"/api/v1/{resource}/", outcome(who, roles, "shared"))
        if listed.status_code == 200:
            expected = {key for place, key in places.items() if outcome(who, roles, place) == 200}
            wrong += compare(resource, listed.json(), expected)
            csv = client.get(f"/api/v1/{resource}?format=csv").content.decode()
            if csv.count("\n") != (len(expected) + 1 if expected else 1):
                wrong.append(f"{resource}: a CSV of {csv.count(chr(10))} lines")
            if resource not in SHARED and resource not in ("sites", "changes", "shipments"):
                for place, site in world.sites.items():
                    only = client.get(f"/api/v1/{resource}?site={site.code}").json()
                    wrong += compare(resource, only, expected & {places[place]})
    return wrong


def compare(resource: str, body: Any, expected: set[str]) -> list[str]:
    rows = body if isinstance(body, list) else body["results"]
    name = {"sites": "code", "claims": "claim"}.get(resource, "id")
    seen = {str(row[name]) for row in rows}
    return [] if seen == expected else [f"{resource}: lists {seen}, expected {expected}"]


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_records_are_read_as_the_table_says(who, world):
    assert leaks_of_reading(who, world) == []


HOLES = {
    "participants": models.participant.ParticipantQuerySet,
    "consents": models.consent.ConsentQuerySet,
    "withdrawals": models.consent.WithdrawalQuerySet,
    "erasures": models.erasure.ErasureQuerySet,
    "exports": models.export_request.ExportRequestQuerySet,
    "samples": models.sample.SampleQuerySet,
    "assessments": models.assessment.AssessmentQuerySet,
    "assay-batches": models.assay.AssayBatchQuerySet,
    "changes": models.change.ChangeQuerySet,
    "queries": models.query.QueryQuerySet,
    "boxes": models.sample.BoxQuerySet,
    "shipments": models.shipment.ShipmentQuerySet,
    "destructions": models.custody.DestructionQuerySet,
    "sites": models.site.SiteQuerySet,
}


@pytest.mark.parametrize("resource", HOLES)
def test_the_matrix_finds_a_hole_that_was_cut_on_purpose(resource, world, monkeypatch):
    monkeypatch.setattr(HOLES[resource], "visible_to", lambda rows, user: rows, raising=False)
    found = leaks_of_reading(Identity("SD", "own"), world)
    assert any(f"{resource} of other: 200, expected 404" in leak for leak in found)
    assert any(f"{resource}: lists" in leak for leak in found)


def test_the_matrix_finds_a_door_that_never_asks_for_the_role(world, monkeypatch):
    monkeypatch.setattr("cohorts.api_base.TablePermission.has_permission", lambda *_: True)
    assert leaks_of_reading(Identity("LT", "own"), world)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_uploads_are_read_by_those_who_read_what_is_in_them(who, world):
    client = api_of(who, world)
    listed = client.get("/api/v1/uploads")
    assert listed.status_code == outcome(who, READERS["uploads"], "shared")
    expected = set()
    for place, by_kind in world.uploads.items():
        for kind, key in by_kind.items():
            status = outcome(who, READERS["uploads"], place)
            if status == 200 and not who.holds(UPLOAD_READERS[kind]):
                status = 404
            assert client.get(f"/api/v1/uploads/{key}").status_code == status, kind
            expected |= {key} if status == 200 else set()
    if listed.status_code == 200:
        assert {row["id"] for row in listed.json()["results"]} == expected


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_runs_are_followed_and_results_are_read_as_the_table_says(who, world):
    client = api_of(who, world)
    progress = outcome(who, READERS["runs"], "shared")
    results = outcome(who, RESULT_READERS, "shared")
    early = who.holds(BEFORE_RELEASE)
    listed = client.get("/api/v1/runs")
    assert listed.status_code == progress
    if progress == 200:
        assert len(listed.json()["results"]) == (2 if early else 1)
    assert client.get("/api/v1/runs/latest?plan=p").status_code == results
    for state, run in world.runs.items():
        told = client.get(f"/api/v1/runs/{run.pk}")
        assert told.status_code == progress
        if progress == 200:
            shown = results == 200 and (state == "released" or early)
            assert ("sites" in told.json()) == shown
        for part in RESULTS:
            expected = 404 if results == 200 and state == "held" and not early else results
            status = client.get(f"/api/v1/runs/{run.pk}/{part}").status_code
            assert status == expected, (state, part)
        for part in ON_REQUEST:
            beside = client.get(f"/api/v1/runs/{run.pk}/{part}").status_code
            assert beside == (404 if results == 200 else results), (state, part)
        takes = outcome(who, RESULT_TAKERS, "shared")
        expected = 404 if takes == 200 and state == "held" and not early else takes
        assert client.get(f"/api/v1/runs/{run.pk}/crate").status_code == expected, state


# --- fields


def test_a_laboratory_reads_nothing_that_would_unblind_it(world):
    person = world.people["own"]
    models.Participant.objects.filter(pk=person.pk).update(
        sex="intersex", birth_year=1987, group="pre_hikikomori"
    )
    client = api_of(Identity("LT", "own"), world)
    for resource in READERS:
        text = client.get(f"/api/v1/{resource}?page_size=1000").content.decode()
        assert not any(word in text for word in ("intersex", "1987", "pre_hikikomori", "birth"))
    (sample,) = client.get("/api/v1/samples").json()["results"]
    assert sample["participant"] == person.code
    assert client.get("/api/v1/samples?group=hikikomori").json()["results"] == [sample]


def test_an_analyst_reads_no_code_and_no_small_count(world):
    models.Change.objects.create(
        study=world.sites["own"].study,
        site=world.sites["own"],
        kind="withdrawal",
        counts={"withdrawal": 1},
        cause="withdrawal: erase",
    )
    client = api_of(Identity("CA", "everywhere"), world)
    few = client.get("/api/v1/changes?kind=withdrawal").json()["results"]
    assert [(row["site"], row["counts"], row["cause"]) for row in few] == [
        (None, {"withdrawal": None}, "")
    ]
    assert client.get("/api/v1/changes?kind=withdrawal&site=OWN").json()["results"] == []
    manager = api_of(Identity("CD", "everywhere"), world)
    (whole,) = manager.get("/api/v1/changes?kind=withdrawal&site=OWN").json()["results"]
    assert whole["counts"] == {"withdrawal": 1}


# --- the matrix of writing

# Tables that the check refuses for what they lack; only those who may send one come that far.
TOO_SHORT = dict.fromkeys(KINDS, b"participant\nP1\n") | {
    "samples": b"sample\nT1\n",
    "assays": b"sample\nT1\n",
}


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_withdrawals_are_recorded_by_those_who_may(who, place, world):
    person = world.people[place]
    body = {"site": world.sites[place].code, "participant": person.code, "level": 2}
    answer = api_of(who, world).post("/api/v1/withdrawals", body, format="json")
    expected = outcome(who, WITHDRAWERS, place)
    assert answer.status_code == (201 if expected == 200 else expected)
    assert person.withdrawals.filter(level=2).exists() == (expected == 200)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_participants_are_corrected_by_those_who_may(who, place, world):
    client, person = api_of(who, world), world.people[place]
    path = f"/api/v1/participants/{person.pk}"
    body = {"version": 1, "reason": "a slip", "changes": {"birth_year": 1990}}
    corrected = client.post(f"{path}/correct", body, format="json").status_code
    assert corrected == outcome(who, CORRECTORS, place)
    merge = {"other": person.code, "reason": "one card"}
    merged = client.post(f"{path}/merge", merge, format="json").status_code
    # Refused as one record by the service: only those who may come that far.
    expected = outcome(who, CORRECTORS, place)
    assert merged == (400 if expected == 200 else expected)
    linked = client.post(f"{path}/same-person", {"reason": "one card"}, format="json").status_code
    assert linked == (400 if who.holds(LINKERS) else outcome(who, LINKERS, place))
    moving = f"/api/v1/transfers/{world.keys['transfers'][place]}"
    body = {"code": "NEW-1", "on": "2024-06-01"}
    for verb, refused in (("accept", 200), ("call-off", 400)):
        status = client.post(f"{moving}/{verb}", body, format="json").status_code
        expected = outcome(who, MOVERS, place)
        assert status == (refused if expected == 200 else expected), verb
    move = {"site": world.sites[place].code, "participant": person.code, "to_site": "?"}
    asked = client.post("/api/v1/transfers", move | {"reason": "a new home"}, format="json")
    expected = outcome(who, MOVERS, place)
    assert asked.status_code == (400 if expected == 200 else expected)
    for part, sent in (("visits", {"label": "V", "on": "?"}), ("interviews", {"on": "?"})):
        read = client.get(f"{path}/{part}").status_code
        assert read == outcome(who, READERS["assessments"], place), part
        status = client.post(f"{path}/{part}", sent, format="json").status_code
        expected = outcome(who, CONSENTERS, place)
        assert status == (400 if expected == 200 else expected), part
    assessment = f"/api/v1/assessments/{world.keys['assessments'][place]}"
    read = client.get(f"{assessment}/comparison").status_code
    assert read == outcome(who, READERS["assessments"], place)
    for verb in ("second-entry", "settle"):
        status = client.post(f"{assessment}/{verb}", {}, format="json").status_code
        expected = outcome(who, CORRECTORS, place)
        assert status == (400 if expected == 200 else expected), verb
    read = client.get(f"{path}/history").status_code
    assert read == outcome(who, READERS["participants"], place)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_erasures_are_asked_for_approved_and_stopped_by_those_who_may(who, place, world):
    person, client = world.people[place], api_of(who, world)
    body = {"site": world.sites[place].code, "participant": person.code}
    answer = client.post("/api/v1/erasures", body, format="json")
    expected = outcome(who, ERASURE_ASKERS, place)
    assert answer.status_code == (201 if expected == 200 else expected)
    assert person.erasures.open().exists() == (expected == 200)
    person.erasures.open().delete()
    asker = models.User.objects.get(username=f"asks at {world.sites[place].code}")
    asked = models.Erasure.objects.create(
        site=world.sites[place], participant=person, requested_by=asker
    )
    for verb, roles in (("approve", ERASURE_APPROVERS), ("stop", ERASURE_STOPPERS)):
        path = f"/api/v1/erasures/{asked.pk}/{verb}"
        status = client.post(path, {"reason": "asked to wait"}, format="json").status_code
        assert status == outcome(who, roles, place), verb


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_consents_are_corrected_by_those_who_record_them(who, place, world):
    path = f"/api/v1/consents/{world.keys['consents'][place]}/correct"
    body = {"version": 1, "reason": "a slip", "changes": {"signed_on": "2024-03-31"}}
    answer = api_of(who, world).post(path, body, format="json")
    assert answer.status_code == outcome(who, CONSENTERS, place)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_exports_are_asked_for_decided_and_taken_by_those_who_may(who, place, world):
    client, site = api_of(who, world), world.sites[place]
    body = {"site": site.code, "format": "redcap", "recipient": "a registry", "reason": "yearly"}
    answer = client.post("/api/v1/exports", body | {"recipient_country": "JP"}, format="json")
    expected = outcome(who, EXPORT_ASKERS, place)
    assert answer.status_code == (201 if expected == 200 else expected)
    if expected == 200:
        assert answer.json()["needs_approval"] == (who.role == "CD")
    one = f"/api/v1/exports/{world.keys['exports'][place]}"
    # Somebody else's: whoever may export at all is told whose it is to take.
    taken = client.get(f"{one}/file").status_code
    assert taken == (403 if expected == 200 else expected)
    for verb in ("approve", "refuse"):
        models.ExportRequest.objects.filter(pk=world.keys["exports"][place]).update(
            approved=None, decided_by=None, decided_at=None
        )
        status = client.post(f"{one}/{verb}", {"note": "not now"}, format="json").status_code
        assert status == outcome(who, EXPORT_APPROVERS, place), verb


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_queries_are_asked_answered_and_closed_by_those_who_may(who, place, world):
    client, site = api_of(who, world), world.sites[place]
    sample = models.Sample.objects.get(pk=world.keys["samples"][place])
    body = {"site": site.code, "about_kind": "sample", "about": sample.code, "text": "Spun when?"}
    expected = outcome(who, ASKERS, place)
    status = client.post("/api/v1/queries", body, format="json").status_code
    assert status == (201 if expected == 200 else expected)
    path = f"/api/v1/queries/{world.keys['queries'][place]}"
    asker = models.User.objects.get(username=f"asks at {site.code}")
    query = models.Query.objects.get(pk=world.keys["queries"][place])
    query.events.create(kind="answered", by=asker, text="At ten.")
    models.Query.objects.filter(pk=query.pk).update(state="answered")
    for verb in ("ask-again", "answer"):
        said = client.post(f"{path}/{verb}", {"text": "By whom?"}, format="json")
        assert said.status_code == expected, verb
    assert client.post(f"{path}/close", {}, format="json").status_code == (
        400 if expected in (200, 404) else expected
    )


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_batches_are_judged_and_voided_by_those_who_may(who, place, world, browse, client):
    caller, key = api_of(who, world), world.keys["assay-batches"][place]
    path, readers = f"/api/v1/assay-batches/{key}", READERS["assay-batches"]
    assert caller.get(f"{path}/qc").status_code == outcome(who, readers, place)
    values = caller.get(f"{path}/values?format=csv").status_code
    assert values == outcome(who, VALUE_READERS, place)
    for verb, roles in (("void", VOID_ASKERS), ("decide-void", VOID_DECIDERS)):
        expected = outcome(who, roles, place)
        status = caller.post(f"{path}/{verb}", {}, format="json").status_code
        # A body that is refused comes before the row is looked for.
        assert status == (400 if expected in (200, 404) else expected), verb
    page = client if who.state == "anonymous" else browse(account_of(who, world, "of pages"))
    expected = page_outcome(who, readers, readers, place)
    assert page.get(reverse("batch", args=[key])).status_code == expected
    expected = page_outcome(who, readers, READERS["sites"], place)
    listed = page.get(reverse("batches", args=[world.sites[place].code])).status_code
    assert listed == expected


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_a_webhook_is_its_owners_alone(who, world, monkeypatch):
    monkeypatch.setattr(webhook_http, "checked", lambda url, **_options: None)
    body = {"url": "https://example.org/", "events": ["run.released"]}
    caller, made = api_of(who, world), {}
    answer = caller.post("/api/v1/webhooks", body, format="json")
    expected = outcome(who, HOOK_MAKERS, "shared")
    assert answer.status_code == (201 if expected == 200 else expected)
    theirs = models.User.objects.create(username=f"beside {who}")
    made["theirs"] = WebhookEndpoint.objects.create(user=theirs, **body).pk
    if expected == 200:
        made["own"] = answer.json()["id"]
    listed = caller.get("/api/v1/webhooks")
    assert listed.status_code == outcome(who, HOOKED, "shared")
    if listed.status_code == 200:
        assert [row["id"] for row in listed.json()["results"]] == [*filter(None, [made.get("own")])]
    for whose, key in made.items():
        path = f"/api/v1/webhooks/{key}"
        for each in (path, f"{path}/deliveries"):
            status = outcome(who, HOOKED, "shared")
            assert caller.get(each).status_code == (
                404 if (whose, status) == ("theirs", 200) else status
            )
        for verb, roles in (("rotate", HOOK_MAKERS), ("take-up", HOOK_MAKERS), ("end", HOOKED)):
            status = outcome(who, roles, "shared")
            got = caller.post(f"{path}/{verb}", {}, format="json").status_code
            assert got == (404 if (whose, status) == ("theirs", 200) else status), (whose, verb)
        status = outcome(who, HOOK_MAKERS, "shared")
        got = caller.post(f"{path}/replay", {}, format="json").status_code
        assert got == (400 if status == 200 else status)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_the_dictionary_is_kept_by_those_who_may(who, world, browse, client):
    caller, feature = api_of(who, world), f"/api/v1/features/{world.keys['features']['shared']}"
    names = caller.get("/api/v1/features/review").status_code
    assert names == outcome(who, NAME_READERS, "shared")
    lineage = caller.get(f"{feature}/lineage").status_code
    assert lineage == outcome(who, READERS["features"], "shared")
    for verb, roles in (
        *(("decide", NAME_DECIDERS), ("rename", DICTIONARY_KEEPERS)),
        *(("merge", DICTIONARY_KEEPERS), ("split", DICTIONARY_KEEPERS)),
    ):
        expected = outcome(who, roles, "shared")
        status = caller.post(f"{feature}/{verb}", {}, format="json").status_code
        assert status == (400 if expected == 200 else expected), verb
    page = client if who.state == "anonymous" else browse(account_of(who, world, "of pages"))
    shown = page.get(reverse("feature", args=[world.keys["features"]["shared"]])).status_code
    listed = page.get(reverse("names")).status_code
    closed = 302 if who.state in ("anonymous", "inactive") else 403
    assert shown == (200 if who.holds(READERS["features"]) else closed)
    assert listed == (200 if who.holds(NAME_READERS) else closed)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
@pytest.mark.parametrize("place", ["own", "other"])
def test_the_laboratorys_work_is_recorded_by_those_who_may(who, place, world):
    client, site = api_of(who, world), world.sites[place]
    sample = f"/api/v1/samples/{world.keys['samples'][place]}"
    order = f"/api/v1/destructions/{world.keys['destructions'][place]}"
    shipment = f"/api/v1/shipments/{world.keys['shipments'][place]}"
    assert client.get(f"{sample}/handling").status_code == outcome(who, READERS["samples"], place)
    # A body that is refused as such shows that the door was open; no word, that it was not.
    for path, roles in (
        (f"{sample}/divide", DIVIDERS),
        (f"{sample}/measure", HANDLERS),
        (f"{sample}/move", HANDLERS),
        (f"{order}/record", DESTROYERS),
        (f"{shipment}/receive", SHIPPERS),
    ):
        expected = outcome(who, roles, place)
        status = client.post(path, {}, format="json").status_code
        assert status == (400 if expected == 200 else expected), path
    assert client.post(f"{sample}/thaw").status_code == outcome(who, HANDLERS, place)
    approved = client.post(f"{order}/approve").status_code
    expected = outcome(who, DESTRUCTION_APPROVERS, place)
    assert approved == (409 if expected == 200 else expected)
    body = {"from_site": site.code, "to_site": "TO" + site.code, "samples": ["none"]}
    body |= {"courier": "by hand", "sent_at": timezone.now().isoformat()}
    expected = outcome(who, SHIPPERS, place)
    status = client.post("/api/v1/shipments", body, format="json").status_code
    assert status == (409 if expected == 200 else expected)
    box = {"site": site.code, "code": "B9"}
    expected = outcome(who, DIVIDERS, place)
    status = client.post("/api/v1/boxes", box, format="json").status_code
    assert status == (201 if expected == 200 else expected)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_tables_are_sent_by_those_who_may(who, world):
    client, before = api_of(who, world), models.Upload.objects.count()
    for place, site in world.sites.items():
        for kind in KINDS:
            answer = client.post(
                "/api/v1/uploads",
                {
                    "site": site.code,
                    "kind": kind,
                    "file": SimpleUploadedFile("t.csv", TOO_SHORT[kind]),
                    **({"platform": "LC-MS", "matrix": "plasma"} if kind == "assays" else {}),
                },
            )
            expected = outcome(who, ANY_SENDER, place)
            if expected == 200:
                expected = 422 if who.holds(SENDERS[kind]) else 403
            assert answer.status_code == expected, (place, kind)
            before += expected == 422
    assert models.Upload.objects.count() == before


def readable(who, kind, place):
    """As for reading one upload: 403 without the function, 404 for the wrong place or kind."""
    expected = outcome(who, READERS["uploads"], place)
    return 404 if expected == 200 and not who.holds(UPLOAD_READERS[kind]) else expected


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_checked_tables_are_decided_and_fetched_by_those_who_may(who, world):
    client = api_of(who, world)
    for place, by_kind in world.uploads.items():
        for kind, key in by_kind.items():
            models.Upload.objects.filter(pk=key).update(status="rejected")
            expected = readable(who, kind, place)
            if expected == 200:
                expected = 400 if who.holds(DECIDERS[kind]) else 403
            accepted = client.post(f"/api/v1/uploads/{key}/accept", {}, format="json")
            assert accepted.status_code == expected, ("accept", place, kind)
            models.Upload.objects.filter(pk=key).update(status="checked")
            discarded = client.post(f"/api/v1/uploads/{key}/discard").status_code
            assert discarded == (200 if expected == 400 else expected), ("discard", place, kind)
            fetched = client.get(f"/api/v1/uploads/{key}/remarks").status_code
            expected = readable(who, kind, place)
            if expected == 200:
                expected = 400 if who.holds(FETCHERS) else 403
            assert fetched == expected, ("remarks", place, kind)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_dictionaries_are_taken_by_those_who_may(who, world):
    client, one = api_of(who, world), f"/api/v1/dictionaries/{world.keys['dictionaries']['shared']}"
    for verb in ("changes", "redcap"):
        status = client.get(f"{one}/{verb}").status_code
        assert status == outcome(who, READERS["dictionaries"], "shared"), verb
    body = {"study": world.sites["own"].study.code, "content": "x", "after": 0}
    expected = outcome(who, "CD", "shared")
    status = client.post("/api/v1/dictionaries", body, format="json").status_code
    assert status == (400 if expected == 200 else expected)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_runs_are_started_by_those_who_may(who, world):
    answer = api_of(who, world).post("/api/v1/runs", {"plan": "p"}, format="json")
    expected = outcome(who, STARTERS, "shared")
    assert answer.status_code == (202 if expected == 200 else expected)
    assert Run.objects.filter(state="queued").exists() == (expected == 200)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_plans_are_locked_by_the_data_manager(who, world):
    plan = world.runs["released"].plan
    answer = api_of(who, world).post(f"/api/v1/plans/{plan.pk}/lock", {}, format="json")
    assert answer.status_code == outcome(who, PLACERS, "shared")
    plan.refresh_from_db()
    assert (plan.locked_at is not None) == (answer.status_code == 200)


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_runs_are_cancelled_and_placed_as_the_table_says(who, world):
    waiting = Run.objects.create(plan=world.runs["held"].plan, state="queued")
    caller = api_of(who, world)
    for verb, body, roles in (("priority", {"priority": 3}, PLACERS), ("cancel", {}, CANCELLERS)):
        answer = caller.post(f"/api/v1/runs/{waiting.pk}/{verb}", body, format="json")
        expected = outcome(who, roles, "shared")
        # An analyst may cancel, but nobody else's.
        expected = 403 if expected == 200 and who.role == "CA" else expected
        assert answer.status_code == expected, verb


@pytest.mark.parametrize("who", EVERYBODY, ids=str)
def test_pages_cancel_and_place_runs_as_the_table_says(who, world, browse, client):
    page = client if who.state == "anonymous" else browse(account_of(who, world))
    waiting = Run.objects.create(plan=world.runs["held"].plan, state="queued")
    for name in ("run-priority", "run-cancel"):
        page.post(reverse(name, args=[waiting.pk]))
    waiting.refresh_from_db()
    assert (waiting.state == "cancelled") == who.holds(PLACERS)
    assert (waiting.priority == 9) == who.holds(PLACERS)


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_nothing_is_overwritten_or_deleted(method, world):
    client = api_of(Identity("CD", "everywhere"), world)
    for resource, places in world.keys.items():
        for key in (*places.values(), ""):
            answer = getattr(client, method)(f"/api/v1/{resource}/{key}", {}, format="json")
            assert answer.status_code == 405, (resource, key)
            assert answer["Content-Type"] == "application/problem+json"


# --- rights end at once


@pytest.mark.parametrize("end", ["deactivated", "membership", "token"])
def test_a_right_ends_at_the_next_request(end, world):
    user = account_of(Identity("SC", "own"), world)
    token, key = models.ApiToken.objects.issue(user, "notebook")
    client = APIClient(HTTP_AUTHORIZATION=f"Bearer {key}")
    assert client.get("/api/v1/participants").status_code == 200
    if end == "deactivated":
        models.User.objects.filter(pk=user.pk).update(is_active=False)
    elif end == "membership":
        user.memberships.update(until_date=timezone.localdate())
    else:
        models.ApiToken.objects.filter(pk=token.pk).update(revoked_at=timezone.now())
    assert client.get("/api/v1/participants").status_code == (403 if end == "membership" else 401)


def test_not_yours_and_not_there_are_the_same_answer(world):
    client = api_of(Identity("SC", "own"), world)
    theirs, nothing = world.keys["participants"]["other"], "999999999"
    answers = [client.get(f"/api/v1/participants/{key}") for key in (theirs, nothing)]
    # Each request has a number of its own, which says nothing.
    bodies = [
        json.dumps(answer.json() | {"request_id": ""}).replace(key, "")
        for answer, key in zip(answers, (theirs, nothing), strict=True)
    ]
    assert bodies[0] == bodies[1]


def test_anothers_arrivals_do_not_move_an_etag(world):
    client = api_of(Identity("SC", "own"), world)
    first = client.get("/api/v1/samples")["ETag"]
    other = world.sites["other"]
    SampleFactory(participant=world.people["other"])
    models.Change.objects.create(study=other.study, site=other, kind="samples", cause="x")
    assert client.get("/api/v1/samples")["ETag"] == first
    SampleFactory(participant=world.people["own"])
    assert client.get("/api/v1/samples")["ETag"] != first


# --- the API's own addresses, and the pages


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


def page_outcome(who: Identity, roles: str, seen_by: str, place: str) -> int:
    """Pages: to the log-in without an account; 404 for an unseen site; 403 for functions."""
    if who.state in ("anonymous", "inactive"):
        return 302
    if not (who.holds(seen_by) and (place == "shared" or who.covers(place))):
        return 404
    return 200 if who.holds(roles) else 403


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
            ("scan", HANDLERS),
            ("people", READERS["participants"]),
            ("erasures", READERS["erasures"]),
            ("exports", READERS["exports"]),
            ("renewals", READERS["consents"]),
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
        ):
            expected = page_outcome(who, roles, READERS["participants"], place)
            assert page.get(reverse(name, args=[person.pk])).status_code == expected, (name, place)
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
    for name in ("home", *OWN_ACCOUNT - {"token-revoke"}):
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
