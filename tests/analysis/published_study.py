"""A small study with a published run, and who asks for it over HTTP: fixtures to import."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.management import call_command
from rest_framework.test import APIClient

from analysis.models import Claim, Plan, Run
from analysis.services import freshness, runs
from cohorts.models import Site
from tests.factories import StudyFactory, assayed_site, user_with

FEATURES = ["decanoylcarnitine", "ornithine", "=cmd|' /C calc'!A0"]
ARMS = ["hikikomori"] * 12 + ["healthy_control"] * 12
PLAN = {
    "case": ["hikikomori"],
    "control": ["healthy_control"],
    "covariates": [],
    "effect_of_interest": 1.5,  # three small sites are to see a large effect
    "n_trees": 10,
    "severity_permutations": 0,
    "strata": ["all", "men", "women"],
}
TABLES = ("effects", "pooled", "claims")
DOCUMENTS = ("harmonisation", "classifier", "severity", "changes")


def a_site(code: str, seed: int) -> Site:
    """12 people in each arm, 6 men and 6 women; decanoylcarnitine is higher in cases."""
    rng = np.random.default_rng(seed)
    values = np.exp(rng.normal(3, 0.3, (24, len(FEATURES))))
    values[:12, 0] *= 2
    sex = ["male", "female"] * 12
    return assayed_site(code, values, group=ARMS, features=FEATURES, sex=sex)


def published(plan: Plan) -> Run:
    run = runs.request(plan, cause="a test")
    runs.execute(run.pk)
    run.refresh_from_db()
    assert run.state == Run.State.PUBLISHED, run.failure
    return run


@pytest.fixture(scope="module")
def study(django_db_setup, django_db_blocker):
    """Three sites and a published run, computed once for this module, truly committed."""
    with django_db_blocker.unblock():
        try:
            for seed, code in enumerate(("FUK", "OSA", "TYO")):
                a_site(code, seed)
            plan = Plan.objects.create(study=StudyFactory(), name="kyushu", data=PLAN)
            for code, marker, stratum in (
                ("K1", "decanoylcarnitine", "all"),
                ("K2", "ornithine", "women"),
            ):
                Claim.objects.create(
                    code=code,
                    study=plan.study,
                    kind="feature",
                    marker=marker,
                    markers=[marker],
                    matrix="plasma",
                    stratum=stratum,
                    direction="higher",
                    doi="10.1/x",
                    citation="A paper.",
                )
            yield published(plan)
        finally:
            call_command("flush", verbosity=0, interactive=False)


@pytest.fixture
def client_of(db):
    def client(role: str, site: str = "") -> APIClient:
        logged_in = APIClient()
        place = Site.objects.get(code=site) if site else None
        logged_in.force_authenticate(user_with(role, place))
        return logged_in

    return client


@pytest.fixture
def silent_broker(monkeypatch):
    rung: list[tuple[str, ...]] = []
    monkeypatch.setattr(freshness, "ring", lambda task, *args, **_: rung.append((task, *args)))
    return rung


def at(run: Run, part: str = "") -> str:
    return f"/api/v1/runs/{run.pk}/{part}".rstrip("/")
