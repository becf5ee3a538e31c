"""p values from permutations, free of the normal law and adjusted for all features at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt

from analysis.stats.design import Covariates, as_frame, build_design
from analysis.stats.effects import checked, fit_effects
from analysis.stats.errors import UnusableData
from analysis.stats.families import Family, families, restricted
from analysis.stats.labels import distinct_labels
from analysis.stats.orders import AT_ONCE, all_orders, n_orders, random_orders
from analysis.stats.pieces import complete
from analysis.stats.tables import real_numbers, refuse_no_count

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

# Arrangements that tie with the observed one differ from it by rounding alone.
_TIE = 1e-9


@dataclass(frozen=True)
class Permuted:
    """Permutation p values, arrays of shape (n_features,); NaN where ``reason`` is not "".

    ``p`` is each feature's own; ``p_max_t`` is adjusted for all tested features, for it asks how
    often the largest \\|t\\| of any feature reaches this one. ``exact`` says that all
    ``n_permutations`` arrangements were counted instead of a random draw of them.
    """

    t: Floats
    p: Floats
    p_max_t: Floats
    reason: tuple[str, ...]
    n_permutations: int
    exact: bool


@dataclass(frozen=True)
class Counted:
    """Over some pieces, how often \\|t\\| was reached; ``own`` and ``largest`` (n_features,)."""

    pieces: tuple[int, ...]
    own: Ints
    largest: Ints


@dataclass(frozen=True)
class Permutations:
    """A study ready to be permuted piece by piece.

    ``labels``, ``codes`` of the blocks and ``columns`` of the covariates are of the samples with
    all covariates; ``exact`` says that all ``n_permutations`` arrangements are counted.
    """

    families: tuple[Family, ...]
    labels: Floats
    codes: Ints
    columns: Floats
    t: Floats
    reason: tuple[str, ...]
    n_permutations: int
    exact: bool
    seed: int

    @property
    def n_pieces(self) -> int:
        """Into how many pieces of up to `AT_ONCE` permutations the work is cut."""
        return -(-self.n_permutations // AT_ONCE)

    def orders(self, pieces: range) -> Iterator[Ints]:
        """The orders of these pieces, (up to AT_ONCE, n_samples) each."""
        if self.exact:
            every = all_orders(self.labels, self.codes, self.columns)
            yield from islice(every, pieces.start, pieces.stop, pieces.step)
            return
        for piece in pieces:
            rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(piece,)))
            count = min(AT_ONCE, self.n_permutations - piece * AT_ONCE)
            yield random_orders(self.codes, count, rng)


def permute_effects(
    values: npt.ArrayLike,
    group: npt.ArrayLike,
    covariates: Covariates = None,
    *,
    n_permutations: int = 10_000,
    rng: np.random.Generator,
    blocks: npt.ArrayLike | None = None,
    levels: bool = False,
) -> Permuted:
    """Test the group on every feature by permuting residuals [1]_, with max-T [2]_.

    Parameters
    ----------
    values, group, covariates
        As for ``fit_effects``, whose t is the statistic. A feature with missing values permutes
        the samples that it has, in the order that the common permutation gives them.
    n_permutations : int
        Random permutations. Where no more arrangements than these exist they are all counted
        instead: of the group without covariates, of the residuals with them.
    rng : Generator
    blocks : labels of shape (n_samples,), optional
        Samples are exchanged only inside a block, e.g. a site.
    levels : bool
        Whether blocks may differ in level: adjusted for as by a covariate with a category a block,
        but without the cost of one, for within blocks a permutation moves no level.

    Returns
    -------
    Permuted
        p is (1 + b) / (1 + n_permutations), b counting the permutations at least as extreme, or
        b / n_permutations when exact; never 0.

    Raises
    ------
    UnusableData
        What ``fit_effects`` refuses, fewer than one permutation, or blocks of another length.

    References
    ----------
    .. [1] Freedman and Lane 1983, doi:10.2307/1391660
    .. [2] Westfall and Young 1993, Resampling-Based Multiple Testing, algorithm 2.8 (single step)
    """
    prepared = prepare_permutations(
        values,
        group,
        covariates,
        n_permutations=n_permutations,
        seed=int(rng.integers(2**63 - 1)),
        blocks=blocks,
        levels=levels,
    )
    whole = count_permutations(prepared, range(prepared.n_pieces))
    return gather_permutations(prepared, [whole])


def prepare_permutations(
    values: npt.ArrayLike,
    group: npt.ArrayLike,
    covariates: Covariates = None,
    *,
    n_permutations: int,
    seed: int,
    blocks: npt.ArrayLike | None = None,
    levels: bool = False,
) -> Permutations:
    """Make the work of `permute_effects` ready to be counted in pieces, in any order and anywhere.

    Piece i draws its `AT_ONCE` orders from the seed and i alone, so that whoever counts it finds
    the same. Parameters and refusals are those of `permute_effects`.
    """
    data, labels = checked(values, group)
    refuse_no_count(n_permutations, "Permutations")
    refuse_no_count(seed, "The seed", least=0)
    names = distinct_labels(np.zeros(len(data)) if blocks is None else blocks, len(data), "block")[
        0
    ]
    beside = covariates
    if levels:
        beside = as_frame(covariates, len(data)).assign(**{"block of samples": names})
    effects = fit_effects(data, labels, beside)
    tested = np.array([not why for why in effects.reason], dtype=bool)
    design = build_design(covariates, len(data))
    codes = np.unique(np.array(names)[design.rows], return_inverse=True)[1]
    # Block by block, so that without some samples each place still belongs to the same block.
    order = np.argsort(codes, kind="stable")
    rows, codes = np.flatnonzero(design.rows)[order], codes[order]
    labels, columns = labels[rows], design.columns[order]
    found = families(data[rows], labels, columns, codes if levels else codes * 0, tested)
    everyone = len(found) == 1 and len(found[0].rows) == design.rows.sum()
    exact = n_orders(labels, codes, columns) if everyone else n_permutations + 1
    return Permutations(
        families=found,
        labels=labels,
        codes=codes,
        columns=columns,
        t=effects.t,
        reason=effects.reason,
        n_permutations=min(exact, n_permutations),
        exact=exact <= n_permutations,
        seed=seed,
    )


def count_permutations(prepared: Permutations, pieces: range) -> Counted:
    """How often each feature's own \\|t\\|, and the largest of all, reach the observed one."""
    t = np.abs(prepared.t)
    own, largest = np.zeros(len(t), dtype=np.int64), np.zeros(len(t), dtype=np.int64)
    reach = np.where(np.isnan(t), np.inf, t * (1 - _TIE)) ** 2
    for orders in prepared.orders(pieces):
        highest = np.zeros(len(orders))
        for family in prepared.families:
            share = family.share_of(restricted(orders, family.rows))
            enough = reach[family.features] / (family.df + reach[family.features])
            own[family.features] += np.count_nonzero(share >= enough, axis=0)
            top = np.minimum(share.max(axis=1), 1.0)
            with np.errstate(divide="ignore"):
                np.maximum(highest, family.df * top / (1 - top), out=highest)
        largest += len(orders) - np.searchsorted(np.sort(highest), reach)
    return Counted(tuple(pieces), own, largest)


def gather_permutations(prepared: Permutations, counted: Iterable[Counted]) -> Permuted:
    """Make p values of all pieces, whatever the order in which they come.

    Raises
    ------
    UnusableData
        A piece that is missing or was counted twice.
    """
    parts = list(counted)
    numbers = [number for part in parts for number in part.pieces]
    complete(numbers, range(prepared.n_pieces), lambda number: number, "piece of permutations")
    own, largest = sum(part.own for part in parts), sum(part.largest for part in parts)
    nan = np.where([not why for why in prepared.reason], 0.0, np.nan)
    return Permuted(
        t=prepared.t,
        p=p_of_counts(own, prepared.n_permutations, exact=prepared.exact) + nan,
        p_max_t=p_of_counts(largest, prepared.n_permutations, exact=prepared.exact) + nan,
        reason=prepared.reason,
        n_permutations=prepared.n_permutations,
        exact=prepared.exact,
    )


def p_of_counts(reached: npt.ArrayLike, n_permutations: int, *, exact: bool) -> Floats:
    """Share of the permutations that reached the observed one, which counts as one of a draw."""
    extra = 0 if exact else 1
    refuse_no_count(n_permutations, "Permutations")
    counts = real_numbers(reached, "Counts of permutations")
    if not ((counts >= 0) & (counts <= n_permutations)).all():
        raise UnusableData(f"Counts must lie from 0 to the {n_permutations} permutations: recount.")
    share: Floats = (counts + extra) / (n_permutations + extra)
    return share
