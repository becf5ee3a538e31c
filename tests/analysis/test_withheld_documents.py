"""Two releases of one plan, subtracted: the AUC of a site that a few people joined.

The attacker takes every area that was told in both releases, and the sum that they fit into.
"""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest
from django.utils import timezone

from analysis.models import Claim, Plan, Run, RunDocument, Verdict
from analysis.services import results, told_verdicts
from analysis.services.disclosure import withheld_documents
from analysis.services.disclosure.document_cells import READ, cells_of
from analysis.services.disclosure.suppression import POOL, by_a_few
from analysis.services.disclosure.whys import WORDS, Why
from tests.factories import StudyFactory, user_with

pytestmark = pytest.mark.django_db
K = 10
SITES = ("FUK", "OSA", "TYO", "NGO")


def areas(people: dict[str, tuple[int, int]]) -> dict[str, object]:
    numbers = {"auc": 0.7, "ci_low": 0.6, "ci_high": 0.8}
    by_site = [
        {"site": site, "n_case": case, "n_control": control, "reason": "", **numbers}
        for site, (case, control) in people.items()
    ]
    return {"by_site": by_site, **numbers, "importance": {"ornithine": 0.1}, "warnings": []}


def released(name: str, data: dict[str, object], people=()) -> Run:
    plan, _ = Plan.objects.get_or_create(
        name="p", defaults={"study": StudyFactory(), "data": {"case": ["a"]}}
    )
    n, now = Run.objects.count(), timezone.now()
    sites = [{"site": s, "n_case": c, "n_control": o} for s, (c, o) in dict(people).items()]
    moment = now + timedelta(seconds=n)
    run = Run.objects.create(
        plan=plan,
        state="published",
        key=f"k{n}",
        published_at=moment,
        released_at=moment,
        summary={"sites": sites},
    )
    RunDocument.objects.create(run=run, name=name, data=data)
    return run


def told(run: Run) -> dict[str, bool]:
    """Which areas an analyst sees, `POOL` that of all sites."""
    shown = results.document_for(run, "classifier", user_with("CA"))
    found = {one["site"]: one["auc"] is not None for one in shown["by_site"]}
    return {**found, POOL: shown["auc"] is not None}


def recovered(first: Run, second: Run) -> list[str]:
    """Areas whose two values differ by a few people, and can be subtracted."""
    told_twice = [at for at, is_told in told(first).items() if is_told and told(second)[at]]
    cells = [*SITES, POOL]
    known = [np.eye(len(cells))[cells.index(at)] for at in told_twice]
    weights = np.array([1.0] * len(SITES) + [-1.0])  # all together are the sites
    _, scale, vectors = np.linalg.svd(np.array([*known, weights]))
    loose = np.abs(vectors[(scale > 1e-9).sum() :]).max(axis=0, initial=0.0)
    then, now = (
        cells_of("classifier", RunDocument.objects.get(run=run).data)[""] for run in (first, second)
    )
    moved = {at: (now[at][0] - then[at][0], now[at][1] - then[at][1]) for at in cells}
    fixed = [at for at, free in zip(cells, loose, strict=True) if free < 1e-9]
    return [at for at in fixed if by_a_few([moved[at]], K)]


@pytest.mark.parametrize("seed", range(12))
def test_no_area_of_a_few_people_can_be_worked_out_of_two_releases(seed):
    rng = np.random.default_rng(seed)
    before = {site: tuple(rng.integers(20, 60, 2).tolist()) for site in SITES}
    came = {site: rng.choice([0, 0, 3, 12, 25], 2).tolist() for site in SITES}
    came["FUK"][0] = 2
    after = {site: tuple(map(sum, zip(before[site], came[site], strict=True))) for site in SITES}
    first, second = (released("classifier", areas(p), p) for p in (before, after))
    assert "FUK" in recovered(first, second)  # the attack works where nothing is withheld
    withheld_documents.withhold(second)
    assert recovered(first, second) == []
    shown = results.document_for(second, "classifier", user_with("CA"))
    assert "withheld" not in json.dumps(shown)
    reasons = {one["site"]: one["reason"] for one in shown["by_site"]}
    assert reasons["FUK"] == WORDS[Why.EARLIER]
    whole = results.document_for(second, "classifier", user_with("CD"))
    assert all(one["auc"] == 0.7 for one in whole["by_site"])


def test_a_site_is_told_again_when_enough_have_come_since_it_was_told_last():
    for n_case, is_told in ((40, True), (44, False), (49, False), (50, True), (55, False)):
        people = {"FUK": (n_case, 40), "OSA": (40, 40), "TYO": (40, 40)}
        run = released("classifier", areas(people), people)
        withheld_documents.withhold(run)
        assert told(run)["FUK"] is is_told, n_case


def test_the_verdict_on_an_area_goes_with_it():
    people = dict.fromkeys(SITES, (40, 40))
    released("classifier", areas(people), people)
    run = released("classifier", areas({**people, "FUK": (43, 40)}), people)
    withheld_documents.withhold(run)
    claim = Claim.objects.create(
        code="K22-8", study=run.plan.study, kind="classifier", stratum="all", direction="none"
    )
    numbers = {"n_case": 163, "n_control": 160, "estimate": 0.7, "ci_low": 0.6, "ci_high": 0.8}
    Verdict.objects.create(run=run, claim=claim, stratum="all", verdict="replicated", **numbers)
    (said,) = told_verdicts.verdicts_for(run, user_with("CA"))
    assert (said["estimate"], said["reason"]) == (None, WORDS[Why.EARLIER])


def test_each_earlier_document_is_read_once_however_many_turns_it_takes(monkeypatch):
    """A site is found at the first turn, so that there is a second one."""
    read: list[object] = []

    def counted(name: str, data: object) -> object:
        read.append(data)
        return cells_of(name, data)

    for n_case in (40, 55, 70, 73):
        people = {"FUK": (n_case, 40), "OSA": (40, 40), "TYO": (40, 40)}
        run = released("classifier", areas(people), people)
    monkeypatch.setattr(withheld_documents, "cells_of", counted)
    withheld_documents.withhold(run)
    assert len(read) == 1 + 3
    assert told(run)["FUK"] is False


def one(name: str, n: int) -> dict[str, object]:
    """A document of each kind, with ``n`` people of an arm at its first site."""
    curve = {"slope": 1.0, "reason": ""}
    learner = areas({"FUK": (n, 40), "OSA": (40, 40), "TYO": (40, 40)}) | {
        "learner": "forest",
        "choices": [],
        "notes": [],
        "n_fits": 1,
        "auc_all_pairs": 0.7,
        "other_sites": None,
        "partial": None,
        "calibration": curve,
        "calibration_by_site": [{"site": "FUK", **curve}],
        "importance": [],
    }
    carried = {"site": "FUK", "refused": "", "n_case": 40, "n_control": 40, "shift": 0.1}
    carried |= {"n_case_trained": n, "n_control_trained": 40, "auc": 0.7, "ci_low": 0.6}
    carried |= {"ci_high": 0.8, "calibration": curve, "recalibrated": curve, "trained_on": "OSA"}
    site = {"site": "FUK", "n": n, "centre": [0.1], "covariance": None}
    return {
        "classifier": areas({"FUK": (n, 40), "OSA": (40, 40), "TYO": (40, 40)}),
        "nested": {"method": "m", "learners": [learner], "comparison": {"p": 0.5}},
        "severity": {"method": "m", "n_samples": n + 80, "n_sites": 3, "r2": 0.5},
        "transport": {
            "method": "m",
            "by_site": [carried | {"n_features": 2, "features_missing": []}],
        },
        "languages": {
            "method": "m",
            "instrument": "HQ-25",
            "refused": "",
            "languages": {"ja": n, "en": 40, "ko": 40},
            "items": [],
            "differing": [],
        },
        "harmonisation": {
            "n_people": n + 80,
            "sites": {"FUK": n, "OSA": 40, "TYO": 40},
            "components_after": {"explained": [0.5], "sites": [site]},
        },
    }[name]


@pytest.mark.parametrize("name", sorted(READ))
def test_every_document_that_tells_of_people_hides_what_a_few_moved(name):
    people = dict.fromkeys(("FUK", "OSA", "TYO"), (40, 40))
    released(name, one(name, 40), people)
    enough, few = (released(name, one(name, 40 + more), people) for more in (12, 3))
    user = user_with("CA")
    openly = results.document_for(few, name, user)
    Run.objects.filter(pk=enough.pk).update(released_at=None, held_because="x")
    withheld_documents.withhold(few)
    shown = results.document_for(few, name, user)
    assert shown != openly
    assert WORDS[Why.EARLIER] in json.dumps(shown) or shown["sites"]["FUK"] is None
    assert "withheld" not in json.dumps(shown)
    Run.objects.filter(pk=few.pk).update(released_at=None, held_because="x")
    Run.objects.filter(pk=enough.pk).update(released_at=timezone.now(), held_because="")
    withheld_documents.withhold(enough)
    assert RunDocument.objects.get(run=enough).withheld == []
