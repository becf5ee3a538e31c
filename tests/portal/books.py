"""A study with something to look at: two sites, and a run whose results are known."""

from __future__ import annotations

import pandas as pd
from django.utils import timezone

from analysis.models import Claim, Plan, Run, RunDocument, RunTable, Snapshot, Verdict
from tests.factories import SiteFactory, StudyFactory

GOOD = (
    "participant,sex,group,enrolled_on,birth_year,consent_version,consent_signed_on,consent_scopes\n"
    "FUK-001,male,hikikomori,2024-04-01,1995,1.0,2024-04-01,"
    "store_samples;metabolomics;share_consortium\n"
    "FUK-002,female,healthy_control,2024-04-02,1994,,,\n"
)
BAD = (
    "participant,sex,group,enrolled_on,birth_year\n"
    "FUK-001,male,hikikomori,2024-02-31,1995\n"
    "FUK-002,femail,healthy_control,2024-04-02,1994\n"
)
PUBLISHED_AS_LOWER = ("arginine", "bilirubin")


def csv(content: str, name: str = "participants.csv") -> dict[str, object]:
    """A file as playwright's ``set_input_files`` takes it."""
    return {"name": name, "mimeType": "text/csv", "buffer": content.encode()}


def two_sites():
    return SiteFactory(code="FUK", name="Fukuoka"), SiteFactory(code="TYO", name="Tokyo")


def followed_plan() -> Plan:
    data = {"case": ["hikikomori"], "control": ["healthy_control"]}
    return Plan.objects.create(study=StudyFactory(), name="kyushu-2022", data=data)


def effects(n_case: int = 22) -> pd.DataFrame:
    """Ornithine at two sites; ``n_case`` cases at the second."""
    rows = [("FUK", 0.5, 25), ("TYO", 0.3, n_case)]
    return pd.DataFrame(
        {
            "stratum": "all",
            "feature": "ornithine",
            "site": site,
            "estimate": g,
            "se": 0.2,
            "df": n + 18.0,
            "p": 0.02,
            "n_case": n,
            "n_control": 24,
            "hedges_g": g,
            "hedges_g_variance": 0.05,
            "adjusted_for": "age_years;sex",
            "platform": "LC-MS",
            "matrix": "plasma",
            "scale": "log2",
            "unit": "umol/L",
            "source_name": "Orn",
            "hmdb": "HMDB0000214",
            "n_below_lod": 0,
            "reason": "",
        }
        for site, g, n in rows
    )


def pooled() -> pd.DataFrame:
    row = {"stratum": "all", "feature": "ornithine", "estimate": 0.41, "se": 0.1}
    row |= {"ci_low": 0.12, "ci_high": 0.70, "p": 0.004, "q": 0.01, "tau2": 0.01, "i2": 12.0}
    row |= {"q_statistic": 1.1, "q_p": 0.3, "pi_low": -0.2, "pi_high": 1.0, "n_sites": 2}
    row |= {"n_case": 47, "n_control": 48, "sites": "FUK;TYO", "matrix": "plasma"}
    return pd.DataFrame([row | {"source_names": "Orn", "hmdb": "HMDB0000214", "reason": ""}])


DOCUMENTS = {
    "classifier": {
        "method": "random forest, leave one site out",
        "refused": "",
        "auc": 0.72,
        "ci_low": 0.6,
        "ci_high": 0.82,
        "by_site": [
            {"site": site, "n_case": 25, "n_control": 24, "reason": "", "auc": 0.7}
            | {"ci_low": 0.55, "ci_high": 0.83}
            for site in ("FUK", "TYO")
        ],
        "importance": {"ornithine": 0.2},
        "warnings": ["FUK: tested without 3 features."],
        "roc": [
            {"false_positive": n / 20, "n_case": 6 if n < 5 else 2, "n_control": 48}
            | {"inflation": 1.6}
            for n in range(1, 21)
        ],
        "roc_by_site": [
            {"site": site, "n_case": [3] * 4 + [1] * 16, "n_control": 48} for site in ("FUK", "TYO")
        ],
        "calibration": [
            {"predicted": n / 20, "n_case": 1 + n // 4, "n_control": 5 - n // 4} for n in range(20)
        ],
    },
    "severity": {"refused": "The plan names no outcome."},
    "harmonisation": {
        "method": "ComBat",
        "refused": "",
        "n_people": 95,
        "n_features": 120,
        "sites": {"FUK": 49, "TYO": 46},
        "variance_explained_before": {"site": 0.98, "group": 0.001},
        "variance_explained_after": {"site": 0.001, "group": 0.02},
        "components_before": {
            "explained": [0.41, 0.12],
            "sites": [
                {"site": "FUK", "n": 49, "centre": [-2.0, 0.1], "covariance": [1.0, 0.2, 0.8]},
                {"site": "TYO", "n": 46, "centre": [2.1, -0.1], "covariance": [1.1, 0.0, 0.7]},
            ],
        },
        "components_after": {
            "explained": [0.2, 0.11],
            "sites": [
                {"site": "FUK", "n": 49, "centre": [0.0, 0.1], "covariance": [1.5, 0.2, 0.8]},
                {"site": "TYO", "n": 46, "centre": [0.1, -0.1], "covariance": [1.4, 0.0, 0.7]},
            ],
        },
        "notes": [],
    },
    "handling": {
        "FUK": {"verdict": "prompt", "reason": "median 0.6 h", "touches": []},
        "TYO": {"verdict": "prompt", "reason": "median 0.7 h", "touches": []},
    },
}


def run_of(plan: Plan, **fields: object) -> Run:
    now = timezone.now()
    snapshot = Snapshot.objects.create(
        study=plan.study,
        digest=f"{Snapshot.objects.count():064d}",
        change_seen=1,
        participant_ids=[],
        assay_row_ids=[],
        assessment_ids=[],
    )
    given = {"state": "published", "published_at": now, "released_at": now, "key": snapshot.digest}
    return Run.objects.create(plan=plan, snapshot=snapshot, cause="test", **(given | fields))


def concluded(run: Run, *, n_case: int = 22) -> Run:
    """Give the run its results: one claim replicated, one not testable."""
    run.summary = {
        "sites": [
            {"site": "FUK", "n_case": 25, "n_control": 24},
            {"site": "TYO", "n_case": n_case, "n_control": 24},
        ]
    }
    run.left_out = [
        {"site": "FUK", "what": "participants", "n": 12, "why": "no consent on record"},
        {"site": "TYO", "what": "participants", "n": 3, "why": "no consent on record"},
    ]
    run.save()
    RunTable.of(run, "effects", effects(n_case)).save()
    RunTable.of(run, "pooled", pooled()).save()
    for name, data in DOCUMENTS.items():
        RunDocument.objects.create(run=run, name=name, data=data)
    told = {"n_sites": 2, "n_case": 47, "n_control": 48, "estimate": 0.41}
    told |= {"ci_low": 0.12, "ci_high": 0.7, "feature": "ornithine"}
    reason = "The interval over 2 sites lies on the claimed side of zero."
    verdict(run, "K22-2", "ornithine", "replicated", reason, **told)
    verdict(run, "K22-6", "uric acid", "not_testable", "No step of this plan tests that.")
    return run


def verdict(run: Run, code: str, marker: str, word: str, reason: str, **told: object) -> None:
    claim, _ = Claim.objects.get_or_create(
        code=code,
        defaults={
            "study": run.plan.study,
            "kind": "feature",
            "marker": marker,
            "markers": [marker],
            "matrix": "plasma",
            "stratum": "all",
            "direction": "lower" if marker in PUBLISHED_AS_LOWER else "higher",
            "doi": "10.1080/19585969.2022.2046978",
            "citation": "Setoyama et al. 2022",
        },
    )
    Verdict.objects.create(run=run, claim=claim, stratum="all", verdict=word, reason=reason, **told)
