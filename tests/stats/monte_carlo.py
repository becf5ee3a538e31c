"""What intervals keep over many simulated studies.

The tests run a short form of this; the long form prints the tables of docs/for-statisticians.md:

    python -m tests.stats.monte_carlo          # about eight minutes on one core
    python -m tests.stats.monte_carlo 400      # so many studies a row
"""

import sys
from collections.abc import Iterator

import numpy as np

from analysis.stats.meta import pool_effects
from analysis.stats.sequential import confidence_sequence

SMALLEST_ARM, LARGEST_ARM = 15, 60
# Mean effect and tau2.
NULLS = [(0.0, 0.0), (0.0, 0.05), (0.0, 0.2), (0.0, 0.5)]
REAL = [(mean, tau2) for tau2 in (0.0, 0.05) for mean in (0.2, 0.35, 0.5)]


def hedges_g(case, control, squares, n):
    """g and its variance, as fit_effects gives them without covariates, for arms of n people."""
    df = 2 * n - 2
    g = (1 - 3 / (4 * df - 1)) * (case - control) / np.sqrt(squares / df)
    return g, 2 / n + g**2 / (4 * n)


def growing_studies(rng, n_studies, first, last, *, mean, tau2, n_looks) -> Iterator[tuple]:
    """g and variances, (sites so far, n_studies), at each look.

    Sites join over the first 60 % of the looks, from ``first`` to ``last``, and each then grows
    evenly from 15 to 60 people an arm at the last look.
    """
    effects = mean + np.sqrt(tau2) * rng.normal(size=(last, n_studies))
    joins = [0] * first + list(np.linspace(1, 0.6 * n_looks, last - first).astype(int))
    n = np.zeros(last)
    sums, squares = np.zeros((2, last, n_studies)), np.zeros((2, last, n_studies))
    for look in range(n_looks):
        for site in np.flatnonzero(np.array(joins) <= look):
            share = (look - joins[site]) / max(1, n_looks - 1 - joins[site])
            target = round(SMALLEST_ARM + (LARGEST_ARM - SMALLEST_ARM) * share)
            people = rng.normal(size=(2, int(target - n[site]), n_studies))
            people[0] += effects[site]
            sums[:, site] += people.sum(axis=1)
            squares[:, site] += (people**2).sum(axis=1)
            n[site] = target
        here = n[n > 0][:, None]
        means = sums[:, n > 0] / here
        within = (squares[:, n > 0] - here * means**2).sum(axis=0)
        yield hedges_g(*means, within, here)


def ever_called(rng, n_studies, first, last, *, mean, tau2, n_looks=50):
    """Shares of studies in which some look's interval left 0: always-valid, ordinary (hksj), and
    the ordinary one at the last look alone."""
    valid = ordinary = np.zeros(n_studies, dtype=bool)
    looks = growing_studies(rng, n_studies, first, last, mean=mean, tau2=tau2, n_looks=n_looks)
    for g, variance in looks:
        always = confidence_sequence(g, variance)
        once = pool_effects(g, variance)
        at_last = (once.ci_low > 0) | (once.ci_high < 0)
        valid = valid | (always.ci_low > 0) | (always.ci_high < 0)
        ordinary = ordinary | at_last
    return valid.mean(), ordinary.mean(), at_last.mean()


def coverage(rng, n_studies, n_sites, tau2, *, test="hksj", method="REML", mean=0.3):
    """Share of studies whose 95 % interval holds the mean effect; sites of 15 to 60 an arm."""
    n = rng.integers(SMALLEST_ARM, LARGEST_ARM + 1, (n_sites, n_studies)).astype(float)
    effects = mean + np.sqrt(tau2) * rng.normal(size=n.shape)
    case = effects + rng.normal(size=n.shape) / np.sqrt(n)
    control = rng.normal(size=n.shape) / np.sqrt(n)
    g, variance = hedges_g(case, control, rng.chisquare(2 * n - 2), n)
    pooled = pool_effects(g, variance, tau2=method, test=test)
    return ((pooled.ci_low <= mean) & (mean <= pooled.ci_high)).mean()


def main(n_studies: int) -> None:
    """Print coverage, false calls and power."""
    say = sys.stdout.write
    rng = np.random.default_rng(20220307)
    say("coverage of 95 %: sites, tau2, then hksj, hksj_plain, t, z\n")
    for n_sites in (3, 5, 10):
        for tau2 in (0.0, 0.05, 0.2):
            tests = ("hksj", "hksj_plain", "t", "z")
            found = [coverage(rng, 10 * n_studies, n_sites, tau2, test=test) for test in tests]
            say(f"{n_sites:3} {tau2:5.2f}  " + "  ".join(f"{x:.3f}" for x in found) + "\n")
    say("ever called in 50 looks: sites, g, tau2, then always-valid, hksj, hksj at the end only\n")
    for first, last in ((3, 3), (3, 5), (5, 5), (3, 10), (10, 10), (3, 20)):
        for mean, tau2 in NULLS + REAL:
            found = ever_called(rng, n_studies, first, last, mean=mean, tau2=tau2)
            shares = "  ".join(f"{x:.3f}" for x in found)
            say(f"{first:2}-{last:2}  {mean:4.2f} {tau2:5.2f}  {shares}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
