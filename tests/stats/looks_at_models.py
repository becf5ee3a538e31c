"""How often some look of fifty calls a model that learns nothing, and one that learns something.

The tests run a short form of this; the long form prints the tables of docs/for-statisticians.md:

    python -m tests.stats.looks_at_models              # about half an hour on one core
    python -m tests.stats.looks_at_models 200          # so many studies a row
    python -m tests.stats.looks_at_models --in-groups  # only where sites are left out in groups
"""

import argparse
import sys
from collections.abc import Callable

import numpy as np
from scipy import stats

from analysis.stats.classify import leave_one_site_out
from analysis.stats.model_looks import area_over_looks, correlation_over_looks
from analysis.stats.severity import fit_severity
from analysis.stats.site_groups import deal_sites

FEATURES = 30
SMALLEST_ARM, LARGEST_ARM = 8, 40
ONCE = 1.96


def people_at(look, n_looks, first, last):
    """People an arm of each site at a look: sites join over the first 60 %, then grow to 40."""
    joins = np.array([0] * first + list(np.linspace(1, 0.6 * n_looks, last - first).astype(int)))
    share = (look - joins) / np.maximum(1, n_looks - 1 - joins)
    grown = np.round(SMALLEST_ARM + (LARGEST_ARM - SMALLEST_ARM) * share).astype(int)
    return np.where(joins <= look, grown, 0)


def simulated(rng, n_studies, last, effect):
    """Values (studies, sites, people of an arm, arms, features); cases differ by ``effect`` SD in
    each of the first five features, which share half of their variance as pathways do."""
    shape = (n_studies, last, LARGEST_ARM, 2, FEATURES)
    values = rng.normal(size=shape)
    values[..., :10] = (values[..., :10] + rng.normal(size=(*shape[:-1], 1))) / np.sqrt(2)
    values[..., 1, :5] += effect
    return values


def left_out_with(n, most):
    """Of each site that has joined, the sites that are left out together: itself, or its group."""
    people = {f"{s:03}": (int(n[s]), int(n[s])) for s in np.flatnonzero(n)}
    groups = [[int(code) for code in group] for group in deal_sites(people, most)]
    return {s: group for group in groups for s in group}


def linear_areas(values, n, most=None):
    """Area of each site (sites, studies) by the difference of means at the other sites."""
    joined, together = np.flatnonzero(n), left_out_with(n, most)
    here = {
        s: values[:, s, : n[s]] - values[:, s, : n[s]].mean(axis=(1, 2))[:, None, None]
        for s in joined
    }
    taught = {
        s: n[s] * (part[:, :, 1].mean(axis=1) - part[:, :, 0].mean(axis=1))
        for s, part in here.items()
    }
    total = sum(taught.values())
    areas = np.full((len(n), len(values)), np.nan)
    for s, part in here.items():
        others = total - sum(taught[beside] for beside in together[s])
        scores = np.einsum("tnaf,tf->tna", part, others)
        ranks = stats.rankdata(scores.reshape(len(values), -1), axis=1).reshape(scores.shape)
        areas[s] = (ranks[:, :, 1].sum(axis=1) - n[s] * (n[s] + 1) / 2) / n[s] ** 2
    return areas


def linear_correlations(values, outcome, n, most=None):
    """Correlation at each site (sites, studies) with X'y of the others: PLS of one component."""
    joined, together = np.flatnonzero(n), left_out_with(n, most)
    x = {s: values[:, s, : n[s]].reshape(len(values), -1, FEATURES) for s in joined}
    y = {s: outcome[:, s, : n[s]].reshape(len(values), -1) for s in joined}
    x = {s: part - part.mean(axis=1, keepdims=True) for s, part in x.items()}
    y = {s: part - part.mean(axis=1, keepdims=True) for s, part in y.items()}
    taught = {s: np.einsum("tnf,tn->tf", x[s], y[s]) for s in joined}
    total = sum(taught.values())
    found = np.full((len(n), len(values)), np.nan)
    for s in joined:
        others = total - sum(taught[beside] for beside in together[s])
        told = np.einsum("tnf,tf->tn", x[s], others)
        found[s] = (told * y[s]).sum(axis=1) / np.sqrt(
            (told**2).sum(axis=1) * (y[s] ** 2).sum(axis=1)
        )
    return found


def forest_areas(values, n, most=None, *, n_trees=50):
    """As `linear_areas`, by this project's own random forests."""
    areas = np.full((len(n), len(values)), np.nan)
    for study, sites in enumerate(values):
        rows = [sites[s, : n[s]].reshape(-1, FEATURES) for s in np.flatnonzero(n)]
        labels = np.concatenate([np.tile([0, 1], n[s]) for s in np.flatnonzero(n)])
        codes = np.repeat([f"S{s}" for s in np.flatnonzero(n)], 2 * n[n > 0])
        fit = leave_one_site_out(
            np.vstack(rows),
            labels,
            codes,
            rng=np.random.default_rng(study),
            n_trees=n_trees,
            most_folds=most,
        )
        areas[np.flatnonzero(n), study] = [entry.auc.auc for entry in fit.by_site]
    return areas


def pls_correlations(values, outcome, n, most=None):
    """As `linear_correlations`, by this project's own PLS of two components."""
    found = np.full((len(n), len(values)), np.nan)
    for study in range(len(values)):
        joined = np.flatnonzero(n)
        y = np.concatenate([outcome[study, s, : n[s]].ravel() for s in joined])
        codes = np.repeat([f"S{s}" for s in joined], 2 * n[joined])
        x = np.vstack([values[study, s, : n[s]].reshape(-1, FEATURES) for s in joined])
        told = fit_severity(x, y, site=codes, most_folds=most).predicted_cv
        for s in joined:
            rows = codes == f"S{s}"
            found[s, study] = np.corrcoef(told[rows], y[rows])[0, 1]
    return found


def calls_of_areas(areas, n):
    """Whether the interval over all looks, and the ordinary one, call each study now."""
    counts = np.broadcast_to(n[:, None], areas.shape)
    always = area_over_looks(areas, counts, counts)
    weight = np.where(n > 0, n**2, 0) / (n[n > 0] ** 2).sum()
    variance = (weight[n > 0] ** 2 * (2 * n[n > 0] + 1) / (12 * n[n > 0] ** 2)).sum()
    once = (np.nan_to_num(areas) * weight[:, None]).sum(axis=0) - 0.5
    return (always.ci_low > 0.5) | (always.ci_high < 0.5), np.abs(once) > ONCE * np.sqrt(variance)


def calls_of_correlations(found, n):
    """The same for severity, whose claim has one side."""
    counts = np.broadcast_to(2 * n[:, None], found.shape)
    always = correlation_over_looks(found, counts)
    df = np.where(n > 0, 2 * n - 1, 0)
    once = (np.nan_to_num(found) * df[:, None]).sum(axis=0) / df.sum()
    return always.ci_low > 0, once > 1.645 / np.sqrt(df.sum())


def ever_called(
    rng, n_studies, first, last, *, effect, what="areas", real=False, n_looks=50, most=None
):
    """Shares of studies called at some look: always valid, ordinary; and ordinary at the end.

    With more sites than ``most``, so many groups of them are left out in turn.
    """
    values = simulated(rng, n_studies, last, effect if what == "areas" else 0.0)
    outcome = rng.normal(size=values.shape[:-1]) + effect * values[..., :5].sum(axis=-1)
    valid = ordinary = at_last = np.zeros(n_studies, dtype=bool)
    for look in range(n_looks):
        n = people_at(look, n_looks, first, last)
        if what == "areas":
            areas = (forest_areas if real else linear_areas)(values, n, most)
            always, at_last = calls_of_areas(areas, n)
        else:
            make: Callable = pls_correlations if real else linear_correlations
            always, at_last = calls_of_correlations(make(values, outcome, n, most), n)
        valid, ordinary = valid | always, ordinary | at_last
    return valid.mean(), ordinary.mean(), at_last.mean()


ALONE = [(2, 2), (3, 3), (3, 5), (3, 10), (3, 20)]  # sites at first and at last
IN_GROUPS = [(3, 20), (11, 20), (12, 12), (10, 50)]
EFFECTS = {"areas": (0.0, 0.2, 0.3, 0.5), "correlations": (0.0, 0.1, 0.15, 0.25)}


def rows(what):
    """Sites first and last, groups (0: each by itself), effect, and whether by our own models."""
    for shape in ALONE:
        if shape != (2, 2) or what == "areas":
            yield from ((shape, 0, effect, False) for effect in EFFECTS[what])
    for shape in IN_GROUPS:
        yield from ((shape, 10, effect, False) for effect in EFFECTS[what][:2])
    yield from ((shape, 0, 0.0, True) for shape in ((3, 3), (3, 5)))


def main(n_studies: int, in_groups: bool) -> None:
    """Print how often some look calls, and the ordinary interval at the last look."""
    say = sys.stdout.write
    say("statistic, model, sites, groups, effect: always valid, ordinary ever, ordinary at last\n")
    for what in EFFECTS:
        for (first, last), groups, effect, real in rows(what):
            if in_groups and not groups:
                continue
            # A row of its own seed: any of them can be had again alone.
            rng = np.random.default_rng([20220601, first, last, groups, int(100 * effect), real])
            n = n_studies if not real else n_studies // 20
            told = {"effect": effect, "what": what, "real": real, "most": groups or None}
            found = in_portions(rng, n, first, last, told)
            words = "own" if real else "linear"
            shares = "  ".join(f"{share:.3f}" for share in found)
            say(f"{what:13}{words:7}{first}-{last:2}  {groups:2}  {effect:4.2f}  {shares}  ({n})\n")
            sys.stdout.flush()


def in_portions(rng, n_studies, first, last, told, at_once=100):
    """`ever_called` of some studies at a time: fifty sites of a thousand studies fill a machine."""
    sizes = [min(at_once, n_studies - start) for start in range(0, n_studies, at_once)]
    found = [ever_called(rng, n, first, last, **told) for n in sizes]
    return np.average(found, axis=0, weights=sizes)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="tests.stats.looks_at_models")
    parser.add_argument("n_studies", type=int, nargs="?", default=1000)
    parser.add_argument("--in-groups", action="store_true", help="only where sites share a group")
    asked = parser.parse_args()
    main(asked.n_studies, asked.in_groups)
