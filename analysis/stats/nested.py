"""A classifier at unseen sites, its settings chosen without them.

Settings chosen on the tested site make its AUC too good. Here each outer site is judged by a model
whose settings did best at the other sites, each left out in turn. The model trained without the
sites A and B serves twice, as B's inner fold when A is judged and as A's when B is: with 5 sites
and 3 settings 10 x 3 + 5 = 35 fits instead of 65, and the same result.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.stats.calibration import Calibration, calibrate
from analysis.stats.classify import SiteAuc, too_good, what_was_left_out
from analysis.stats.errors import UnusableData
from analysis.stats.importance import (
    N_FEATURES,
    N_REPEATS,
    Importance,
    over_sites,
    permutation_drops,
)
from analysis.stats.learners import Fitted, Learner, Settings, both_groups, fit_without
from analysis.stats.roc import Auc, auc, stratified
from analysis.stats.roc_compare import SiteBootstrap, site_bootstrap
from analysis.stats.site_folds import (
    MIN_OF_GROUP,
    Bools,
    Floats,
    Scale,
    SiteStudy,
    read_study,
    untestable,
)

# Between-site pairs told apart this much better than within-site pairs point to the sites.
SITE_LEAK = 0.1
# One feature that parts the groups this well at each site is no biomarker.
ALONE_TOO_GOOD = 0.97


@dataclass(frozen=True)
class Choice:
    """Settings that an outer site was judged with, and the inner AUC of each setting tried.

    ``inner_auc`` has the order of the learner's grid; it is empty where there was nothing to
    choose or too few sites to choose by, and the first setting was taken.
    """

    site: str
    settings: Settings
    inner_auc: tuple[float, ...]


@dataclass(frozen=True)
class Nested:
    """Performance at unseen sites with nested settings.

    ``auc`` counts pairs of people of one site (DeLong's interval: more people of these sites);
    ``site_bootstrap`` is the interval for other sites, None with its reason in ``notes``.
    ``auc_all_pairs`` also counts pairs across sites. ``scores`` (n_samples,) are chances of being
    a case, NaN where untested. ``importance`` is the loss of AUC when a feature is shuffled.
    ``calibration`` is over all tested people. ``warnings`` are sentences on results too good to be
    true; ``features_left_out`` says which site was tested without which features.
    """

    learner: str
    auc: Auc
    site_bootstrap: SiteBootstrap | None
    auc_all_pairs: Auc
    by_site: tuple[SiteAuc, ...]
    choices: tuple[Choice, ...]
    scores: Floats
    importance: Importance
    calibration: Calibration
    calibration_by_site: tuple[tuple[str, Calibration], ...]
    n_fits: int
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    features_left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Outer:
    """A tested site: the model that judged it and the chances that it gave."""

    choice: Choice
    fitted: Fitted
    scores: Floats


def nested_leave_one_site_out(
    values: ArrayLike | pd.DataFrame,
    labels: ArrayLike,
    site: ArrayLike,
    *,
    learner: Learner,
    rng: np.random.Generator,
    covariates: pd.DataFrame | ArrayLike | None = None,
    scale: Scale = "within_site",
    n_important: int = N_FEATURES,
    n_repeats: int = N_REPEATS,
) -> Nested:
    """Judge a learner at each site in turn, with settings chosen by leaving out the others [1]_.

    Slopes on covariates, medians for gaps and (scale ``training``) means and deviations are learnt
    inside each training fold. With ``within_site`` each site, tested ones too, is standardised by
    itself without its labels: this needs a batch of people of the new site, not one person.

    Parameters
    ----------
    values, labels, site, covariates
        As `analysis.stats.classify.leave_one_site_out`.
    learner : Learner
        `RandomForest` or `ElasticNet`, with its grid of settings.
    rng : Generator
        Draws one seed for all fits, so that settings differ in nothing else; then shuffles.
    scale : "within_site" or "training"
    n_important, n_repeats : int
        Features tried for importance at each site (0: none), and shuffles of each.

    Raises
    ------
    UnusableData
        As `leave_one_site_out`, or a learner without settings.

    References
    ----------
    .. [1] Varma and Simon 2006, doi:10.1186/1471-2105-7-91
    """
    if not learner.grid:
        raise UnusableData(f"{learner.name}: its grid is empty; give at least one setting.")
    study = read_study(values, labels, site, covariates, scale=scale)
    reasons = {code: untestable(study, code) for code in study.codes}
    tested = [code for code in study.codes if not reasons[code]]
    if not tested:
        said = "; ".join(f"{code}: {reason}" for code, reason in reasons.items())
        raise UnusableData(f"No site can be tested ({said}). Wait for sites with both groups.")
    seed = int(rng.integers(2**31 - 1))
    inner = _inner_areas(study, learner, tested, seed)
    outer = {code: _judge(study, learner, code, inner, seed) for code in tested}
    n_fits = len(tested) + len(learner.grid) * len({frozenset(pair) for pair in inner})
    drops = [
        permutation_drops(
            outer[code].fitted,
            study,
            study.sites == code,
            rng,
            n_features=n_important,
            n_repeats=n_repeats,
        )
        for code in tested
    ]
    return _report(study, learner, reasons, outer, np.array(drops), n_fits, rng)


def _inner_areas(
    study: SiteStudy, learner: Learner, tested: list[str], seed: int
) -> dict[tuple[str, str], list[float]]:
    """AUC of each setting at the second site, the first left out too; each pair fitted once."""
    areas: dict[tuple[str, str], list[float]] = {}
    if len(learner.grid) == 1:
        return areas
    for pair in combinations(tested, 2):
        left_out = frozenset(pair)
        training = study.is_case[~study.rows(left_out)]
        if not both_groups(training, MIN_OF_GROUP) or not study.usable(left_out).any():
            continue
        fits = [fit_without(study, left_out, learner, choice, seed) for choice in learner.grid]
        for outer, inner in (pair, pair[::-1]):
            rows = study.sites == inner
            areas[outer, inner] = [
                auc(study.is_case[rows], fitted.probability(study, rows)).auc for fitted in fits
            ]
    return areas


def _judge(
    study: SiteStudy,
    learner: Learner,
    code: str,
    inner: dict[tuple[str, str], list[float]],
    seed: int,
) -> _Outer:
    folds = [areas for (outer, _), areas in inner.items() if outer == code]
    means = np.mean(folds, axis=0) if folds else np.empty(0)
    # The first of equally good settings, which is the plainer one.
    chosen = learner.grid[int(np.argmax(means))] if folds else learner.grid[0]
    fitted = fit_without(study, frozenset([code]), learner, chosen, seed)
    choice = Choice(code, chosen, tuple(float(area) for area in means))
    return _Outer(choice, fitted, fitted.probability(study, study.sites == code))


def _report(
    study: SiteStudy,
    learner: Learner,
    reasons: dict[str, str],
    outer: dict[str, _Outer],
    drops: Floats,
    n_fits: int,
    rng: np.random.Generator,
) -> Nested:
    scores = np.full(len(study.is_case), np.nan)
    for code, judged in outer.items():
        scores[study.sites == code] = judged.scores
    by_site = tuple(_site_auc(study, code, reasons[code], scores) for code in study.codes)
    areas = [entry.auc for entry in by_site if entry.auc is not None]
    known = np.isfinite(scores)
    within, across = stratified(areas), auc(study.is_case[known], scores[known])
    bootstrap, notes = _bootstrap(study, scores, len(outer), rng)
    if len(learner.grid) > 1 and not all(judged.choice.inner_auc for judged in outer.values()):
        notes.append("too few sites to choose settings by: the first of the grid was taken")
    return Nested(
        learner=learner.name,
        auc=within,
        site_bootstrap=bootstrap,
        auc_all_pairs=across,
        by_site=by_site,
        choices=tuple(judged.choice for judged in outer.values()),
        scores=scores,
        importance=over_sites(drops, np.array([a.n_case * a.n_control for a in areas], float)),
        calibration=calibrate(study.is_case[known], scores[known]),
        calibration_by_site=tuple(
            (code, calibrate(study.is_case[study.sites == code], judged.scores))
            for code, judged in outer.items()
        ),
        n_fits=n_fits,
        warnings=(*too_good(by_site), *_leaks(study, within, across, list(outer))),
        notes=tuple(notes),
        features_left_out=tuple(
            what_was_left_out(
                {code: ~judged.fitted.preparation.used for code, judged in outer.items()},
                study.names,
            )
        ),
    )


def _site_auc(study: SiteStudy, code: str, reason: str, scores: Floats) -> SiteAuc:
    rows = study.sites == code
    area = None if reason else auc(study.is_case[rows], scores[rows])
    return SiteAuc(code, *study.counts(code), area, reason)


def _bootstrap(
    study: SiteStudy, scores: Floats, n_tested: int, rng: np.random.Generator
) -> tuple[SiteBootstrap | None, list[str]]:
    if n_tested < 2:
        return None, ["one site could be tested: nothing tells how much sites differ"]
    drawn = site_bootstrap(study.is_case, scores, study.sites, rng=rng)
    return drawn, [drawn.note] if drawn.note else []


def _leaks(study: SiteStudy, within: Auc, across: Auc, tested: list[str]) -> list[str]:
    """Sentences on what gives labels away: through the site, or in one column at every site."""
    said = []
    if across.auc - within.auc > SITE_LEAK:
        said.append(
            f"AUC {across.auc:.3f} over all pairs but {within.auc:.3f} within sites: the model "
            "tells sites apart, not cases; count the area within sites only"
        )
    alone = _parted_by_one(study, tested)
    for name in np.array(study.names)[alone]:
        said.append(
            f"{name}: alone parts cases from controls at every tested site (AUC of "
            f"{ALONE_TOO_GOOD} or more): is it the diagnosis, or taken after it?"
        )
    return said


def _parted_by_one(study: SiteStudy, tested: list[str]) -> Bools:
    least = np.ones(len(study.names))
    for code in tested:
        rows = study.sites == code
        for column in np.flatnonzero(least >= ALONE_TOO_GOOD):
            known = rows & np.isfinite(study.values[:, column])
            if not both_groups(study.is_case[known], 2):
                least[column] = 0.0
                continue
            area = auc(study.is_case[known], study.values[known, column]).auc
            least[column] = min(least[column], max(area, 1 - area))
    parted: Bools = least >= ALONE_TOO_GOOD
    return parted
