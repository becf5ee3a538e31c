"""A small consortium that every test of the analyses can run."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.models import Plan
from tests.analysis.published_study import (  # noqa: F401 - fixtures
    client_of,
    silent_broker,
    study,
)
from tests.factories import StudyFactory, assayed_site

SITES = ("FUK", "TYO", "MTL")
FEATURES = ["palmitoylcarnitine", "ornithine", "arginine", "citrulline"]
PER_ARM = 12


def make_site(code, seed, shift=2.0, features=FEATURES):
    """Twelve cases and twelve controls; the first feature is higher in cases by ``shift`` SD."""
    rng = np.random.default_rng(seed)
    ln = rng.normal(size=(2 * PER_ARM, len(features)))
    ln[:PER_ARM, 0] += shift
    return assayed_site(
        code,
        np.exp(ln),
        group=["hikikomori"] * PER_ARM + ["healthy_control"] * PER_ARM,
        sex=["male", "female"] * PER_ARM,
        features=features,
    )


@pytest.fixture
def plan(transactional_db):
    """A quick plan of the study."""
    return Plan.objects.create(
        study=StudyFactory(),
        name="quick",
        data={
            "case": ["hikikomori"],
            "control": ["healthy_control"],
            "strata": ["all", "men"],
            "n_trees": 10,
            "severity_permutations": 0,
        },
    )


@pytest.fixture
def consortium(plan):
    """Three sites with values, and one change that says so."""
    from cohorts.models import Change

    sites = [make_site(code, seed) for seed, code in enumerate(SITES)]
    for site in sites:
        Change.objects.record(
            study=plan.study, site=site, kind="assays", counts={"rows": 24}, cause="test"
        )
    return sites
