"""Everybody who may ask, and two sites with a row of everything to ask for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pandas as pd
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.models import Claim, Plan, Run, RunDocument, RunTable
from cohorts import models
from tests.access.table import CONSORTIUM_ROLES, KINDS, SITE_ROLES
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


def a_world() -> World:
    made = World()
    for place, code in (("own", "OWN"), ("other", "OTH")):
        furnish(made, place, SiteFactory(code=code))
    study = made.sites["own"].study
    plan = Plan.objects.create(study=study, name="p", data={"case": ["a"], "control": ["b"]})
    claim = Claim.objects.create(code="K1", study=study, kind="feature", stratum="all")
    dictionary = models.VariableDictionary.objects.create(study=study, version=1, variables=[])
    shared = (("features", FeatureFactory(name="f")), ("plans", plan), ("dictionaries", dictionary))
    edit = models.DictionaryEdit.objects.create(
        kind="change",
        subject="feature",
        subject_id=shared[0][1].pk,
        label="f",
        was={"hmdb": ""},
        becomes={"hmdb": "HMDB0000001"},
        reason="looked up",
        proposed_by=models.User.objects.create(username="proposes"),
    )
    for resource, row in (*shared, ("dictionary-edits", edit)):
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
        "consent-forms": models.ConsentForm.objects.create(
            site=site, version="7", language="ja", offered_scopes=["metabolomics"]
        ).pk,
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
    models.BatchFeature.objects.create(
        batch_id=rows["assay-batches"],
        position=0,
        feature=FeatureFactory(name="f"),
        source_name="f",
        unit="relative",
    )
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


def outcome(who: Identity, roles: str, place: str) -> int:
    """The status that the rules give: 401 without an account, 403 for functions, 404 for places."""
    if who.state in ("anonymous", "inactive"):
        return 401
    if not who.holds(roles):
        return 403
    return 200 if place == "shared" or who.covers(place) else 404


def page_outcome(who: Identity, roles: str, seen_by: str, place: str) -> int:
    """Pages: to the log-in without an account; 404 for an unseen site; 403 for functions."""
    if who.state in ("anonymous", "inactive"):
        return 302
    if not (who.holds(seen_by) and (place == "shared" or who.covers(place))):
        return 404
    return 200 if who.holds(roles) else 403
