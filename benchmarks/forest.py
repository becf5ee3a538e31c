"""A random forest at left-out sites, three settings chosen by leaving out the others."""

from functools import partial

import numpy as np

from analysis.stats.forest import RandomForest
from analysis.stats.nested import nested_leave_one_site_out
from analysis.stats.roc import auc, stratified
from analysis.stats.site_folds import standardise_by_site
from benchmarks.contenders import Contender, Job

N_SITES = 5
SEED = 4
# Where two splits are equally good rounding chooses, and ours rounds otherwise.
SAME = 0.001
# Settings that cost alike: if one cost more, the ratio would go by which of them is chosen.
GRID = tuple({"min_leaf": leaf, "max_features": "sqrt"} for leaf in (5, 10, 20))


def study(n: int, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, labels and sites; 20 features differ between the groups by a third of an SD."""
    rng = np.random.default_rng(11)
    site, labels = np.arange(n) % N_SITES, rng.integers(0, 2, n)
    values = rng.normal(size=(n, m)) + rng.normal(size=(N_SITES, m))[site]
    values[:, : min(20, m)] += 0.3 * labels[:, None]
    return values, labels, np.array([f"site {code}" for code in site])


def contenders(n: int, m: int, n_trees: int, ratio: float | None) -> list[Contender]:
    """Ours, and scikit-learn's grid search in every outer fold on the same forest and seed."""
    data = study(n, m)
    found: dict[str, float] = {}

    def ours() -> None:
        found["auc"] = _ours(*data, n_trees)

    def grid_search() -> None:
        area = _grid_search(*data, n_trees)
        # The ratio counts for nothing unless both did the same: a difference shows in the table.
        if abs(area - found["auc"]) > SAME:
            raise ValueError(f"AUC {area:.4f} instead of {found['auc']:.4f}")

    return [
        Contender("hikiproject", ours),
        Contender("GridSearchCV in each outer fold, same AUC to 0.001", grid_search, target=ratio),
    ]


def _ours(values: np.ndarray, labels: np.ndarray, site: np.ndarray, n_trees: int) -> float:
    found = nested_leave_one_site_out(
        values,
        labels,
        site,
        learner=RandomForest(n_trees, GRID),
        rng=np.random.default_rng(SEED),
        n_important=0,
    )
    return found.auc.auc


def _grid_search(values: np.ndarray, labels: np.ndarray, site: np.ndarray, n_trees: int) -> float:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import GridSearchCV, LeaveOneGroupOut

    grid = [
        {"min_samples_leaf": [settings["min_leaf"]], "max_features": [settings["max_features"]]}
        for settings in GRID
    ]
    standard = standardise_by_site(values, site).astype(np.float32)
    seed = int(np.random.default_rng(SEED).integers(2**31 - 1))
    areas = []
    for code in np.unique(site):
        test = site == code
        search = GridSearchCV(
            RandomForestClassifier(n_trees, random_state=seed),
            grid,
            scoring="roc_auc",
            cv=LeaveOneGroupOut(),
        )
        search.fit(standard[~test], labels[~test], groups=site[~test])
        areas.append(auc(labels[test], search.predict_proba(standard[test])[:, 1]))
    return stratified(areas).auc


JOBS = [
    Job(
        "forest",
        "83 x 100, 5 sites, 20 trees",
        partial(contenders, 83, 100, 20, 1),
        3,
        group="small",
    ),
    # Both take four times as long with the 200 trees of an analysis.
    Job(
        "forest",
        "2,000 x 1,000, 5 sites, 50 trees",
        partial(contenders, 2_000, 1_000, 50, 1.9),
        1,
    ),
]
