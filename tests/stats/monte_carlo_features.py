"""What adjusted p values and ComBat keep over many simulated studies of many features.

The tests run a short form of this; the long form prints its own table:

    python -m tests.stats.monte_carlo_features          # about three minutes on one core
    python -m tests.stats.monte_carlo_features 400      # so many studies a row
"""

import sys

import numpy as np

from analysis.stats.combat import fit_combat
from analysis.stats.diagnostics import variance_explained
from analysis.stats.effects import fit_effects
from analysis.stats.meta import pool_effects
from analysis.stats.multiplicity import adjust_p

N_FEATURES, LEVEL = 100, 0.05
N_OF_ARM, LARGE_EFFECT, PLANTED_EFFECT = 25, 0.8, 0.6


def discoveries(rng, n_studies, n_sites, share_planted, *, test="hksj_plain", adjusted=True):
    """Mean share of false ones among the discoveries, and of planted ones that are discovered."""
    planted = np.arange(N_FEATURES) < share_planted * N_FEATURES
    group = np.repeat([1, 0], N_OF_ARM)
    false, found = [], []
    for _ in range(n_studies):
        values = rng.normal(size=(n_sites, len(group), N_FEATURES))
        values += LARGE_EFFECT * planted * group[:, None]
        fits = [fit_effects(site, group) for site in values]
        pooled = pool_effects(
            np.array([fit.hedges_g for fit in fits]),
            np.array([fit.hedges_g_variance for fit in fits]),
            test=test,
        )
        called = (adjust_p(pooled.p) if adjusted else pooled.p) <= LEVEL
        false.append((called & ~planted).sum() / max(called.sum(), 1))
        found.append(called[planted].mean() if planted.any() else 0.0)
    return float(np.mean(false)), float(np.mean(found))


def harmonised(rng, n_studies, n_sites, *, keep_group=True, n_of_site=40):
    """Median share of variance between sites before and after ComBat, and the mean group effect.

    Sites differ in level, spread and their share of cases; half of the features have the effect.
    """
    site = np.repeat(np.arange(n_sites), n_of_site)
    share = np.linspace(0.25, 0.75, n_sites)
    before, after, effects = [], [], []
    for _ in range(n_studies):
        place = rng.permuted(np.tile(np.arange(n_of_site), (n_sites, 1)), axis=1).ravel()
        group = place < share[site] * n_of_site
        planted = PLANTED_EFFECT * (np.arange(N_FEATURES) % 2) * group[:, None]
        clean = rng.normal(size=(len(site), N_FEATURES)) + planted
        spread = rng.uniform(0.7, 1.4, size=(n_sites, N_FEATURES))
        shift = rng.normal(size=(n_sites, N_FEATURES))
        values = clean * spread[site] + shift[site]
        covariates = group[:, None].astype(float) if keep_group else None
        adjusted = fit_combat(values, site, covariates).apply(values, site, covariates)
        # The share of cases differs between sites, so that sites are compared within a group.
        before.append(np.nanmedian(variance_explained(values[~group], site[~group]).adjusted))
        after.append(np.nanmedian(variance_explained(adjusted[~group], site[~group]).adjusted))
        effects.append(fit_effects(adjusted, group.astype(int)).hedges_g[1::2].mean())
    return float(np.mean(before)), float(np.mean(after)), float(np.mean(effects))


def main(n_studies):
    """Print false discoveries, power, and what ComBat leaves of sites and of the group."""
    say, rng = sys.stdout.write, np.random.default_rng(20220313)
    say("sites, share planted, test: false discovery rate and power, Benjamini-Hochberg at 5 %\n")
    for n_sites in (3, 5, 10):
        for planted in (0.0, 0.1, 0.3):
            for test in ("hksj", "hksj_plain"):
                false, found = discoveries(rng, n_studies, n_sites, planted, test=test)
                say(f"{n_sites:3d}  {planted:.1f}  {test:10}  {false:.4f}  {found:.3f}\n")
    say("sites: variance between them before and after, effect (0.6 planted), group left out\n")
    for n_sites in (3, 5, 10):
        kept = harmonised(rng, n_studies // 4, n_sites)
        lost = harmonised(rng, n_studies // 4, n_sites, keep_group=False)[2]
        say(f"{n_sites:3d}  {kept[0]:.3f}  {kept[1]:.3f}  {kept[2]:.3f}  {lost:.3f}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 2000)
