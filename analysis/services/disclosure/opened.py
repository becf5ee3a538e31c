"""Which features still give away a guarded cell, for thousands of features in one look.

The same question as `suppression` asks of one feature. A cell stands in two sums at most: the
pooled row of its stratum and the two sexes of its site. So the sums are the nodes of a graph, what
is untold are its edges (of a cell in one sum only, to the ground), and the sums fix an edge where
it is a bridge [1]_. A site's node touches the strata and the ground alone, so that four nodes, and
for each site those that it joins, say it all.

References
----------
.. [1] Gusfield 1988, A graph theoretic approach to statistical data security,
   doi:10.1137/0217034
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from analysis.services.disclosure.cells import Numbers
from analysis.services.disclosure.rules import Mask
from analysis.services.disclosure.suppression import EVERYBODY, POOL, SEXES

SUMMED = (EVERYBODY, *SEXES)
GROUND = len(SUMMED)
NODES = range(len(SUMMED) + 1)
PAIRS = list(combinations(NODES, 2))
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Moved:
    """Cells by feature, stratum and site: people (cases, controls on the last axis), how many more
    than before, which cells there are, and which are guarded."""

    strata: list[str]
    sites: list[str]
    people: Numbers
    moved: Numbers
    there: Mask
    guarded: Mask


def opened(cells: Moved, out: Mask, k: int) -> Mask:
    """The features of which, ``out`` being untold, a guarded cell or too few can be worked out."""
    sums = _Sums.of(cells)
    return sums.leaves_a_few(out, k) | sums.fixes(out)


@dataclass(frozen=True)
class _Sums:
    """The sums of each feature; the pool stands beside the sites, strata of all first."""

    pools: Mask  # feature, stratum: there is a pooled row, and a site's
    sexes: Mask  # feature, site: everybody is men and women, and others
    rest: Mask  # feature, site: there are others
    cells: Moved
    pool: int  # its place among the sites, or -1
    order: list[int]  # places of everybody, men and women among the strata, or -1

    @classmethod
    def of(cls, cells: Moved) -> _Sums:
        order = [cells.strata.index(name) if name in cells.strata else -1 for name in SUMMED]
        pool = cells.sites.index(POOL) if POOL in cells.sites else -1
        own = np.arange(len(cells.sites)) != pool
        pools = cells.there[..., pool] & cells.there[..., own].any(axis=-1)
        if pool < 0:
            pools = np.zeros_like(pools)
        sexes = np.zeros(cells.there[:, 0].shape, dtype=bool)
        rest = sexes
        if min(order) >= 0:
            total, men, women = order
            others = cells.people[:, total] - cells.people[:, men] - cells.people[:, women]
            sexes = cells.there[:, order].all(axis=1) & (others >= 0).all(axis=-1) & own
            rest = sexes & (others > 0).any(axis=-1)
        return cls(pools, sexes, rest, cells, pool, order)

    def leaves_a_few(self, out: Mask, k: int) -> Mask:
        """Whether what is untold of a sum whose total is told moved by a few, and is a secret."""
        own = np.arange(out.shape[-1]) != self.pool
        untold = out & own
        left = (self.cells.moved * untold[..., None]).sum(axis=2)
        secret = (self.cells.guarded & untold).any(axis=2)
        told = self.pools & ~out[..., self.pool]
        found: Mask = (told & secret & by_a_few(left, k)).any(axis=1)
        if min(self.order) >= 0:
            total, *parts = self.order
            left = (self.cells.moved[:, parts] * out[:, parts, :, None]).sum(axis=1)
            secret = (self.cells.guarded & out)[:, parts].any(axis=1) | self.rest
            found |= (self.sexes & ~out[:, total] & secret & by_a_few(left, k)).any(axis=1)
        return found

    def fixes(self, out: Mask) -> Mask:
        """Whether all sums together fix a guarded cell."""
        secret = self.cells.guarded & out
        found = self._fixed_alone(out, secret)
        if min(self.order) < 0:
            return found
        joined = self._joined(out)  # feature, site, node
        pairs = np.stack([joined[..., a] * joined[..., b] > 0 for a, b in PAIRS], axis=-1)
        grounded = self._grounded(out)
        together = pairs.sum(axis=1)
        for number, (_, b) in enumerate(PAIRS):
            if b == GROUND:
                together[..., number] += grounded[:, PAIRS[number][0]]
        for node, stratum in enumerate(self.order):
            # Its edges to the ground: the pooled row, and sites of which the sexes are no sum.
            number = PAIRS.index((node, GROUND))
            without = together.copy()
            without[..., number] -= 1
            bridge = (grounded[:, node] == 1) & ~_connected(without > 0)[..., number]
            found |= bridge & (secret[:, stratum] & self._to_ground(stratum)).any(axis=1)
            # Its edges to sites: or the site's to the ground, where there is no pooled row.
            ends = np.where(self.pools[:, stratum], node, GROUND)
            cells = secret[:, stratum] & self.sexes
            found |= (cells & self._is_bridge(joined, pairs, together, ends)).any(axis=1)
        return found

    def _fixed_alone(self, out: Mask, secret: Mask) -> Mask:
        """Of strata that are in no other sum: the one cell of the pool's sum that is untold."""
        others = [n for n in range(len(self.cells.strata)) if n not in self.order]
        if min(self.order) < 0:
            others = list(range(len(self.cells.strata)))
        one = (out & self.cells.there)[:, others].sum(axis=2) == 1
        fixed: Mask = (self.pools[:, others] & one & secret[:, others].any(axis=2)).any(axis=1)
        return fixed

    def _to_ground(self, stratum: int) -> Mask:
        """Which cells of the stratum are in its pool's sum alone."""
        inside = ~self.sexes
        return self.pools[:, [stratum]] & inside

    def _grounded(self, out: Mask) -> Counts:
        untold = out & self.cells.there
        each = [(untold[:, s] & self._to_ground(s)).sum(axis=1) for s in self.order]
        return np.stack(each, axis=-1)

    def _joined(self, out: Mask) -> Counts:
        """How often what is untold of a site joins its node to each stratum's and the ground."""
        untold = (out & self.cells.there)[:, self.order] & self.sexes[:, None]
        pooled = self.pools[:, self.order][..., None]
        to_ground = (untold & ~pooled).sum(axis=1) + self.rest
        return np.concatenate([untold & pooled, to_ground[:, None]], axis=1).swapaxes(1, 2)

    def _is_bridge(self, joined: Counts, pairs: Mask, together: Counts, ends: Counts) -> Mask:
        """By feature and site, whether the edge from the site's node to ``ends`` is a bridge."""
        apart = _connected(together[:, None] - pairs > 0)  # without that site
        bridge = np.ones(joined.shape[:2], dtype=bool)
        for end in NODES:
            for other in NODES:
                at = joined[..., other] > (1 if other == end else 0)
                way = at if other == end else at & apart[..., _pair(end, other)]
                bridge &= ~(way & (ends == end)[:, None])
        return bridge


def _pair(a: int, b: int) -> int:
    return PAIRS.index((min(a, b), max(a, b)))


def by_a_few(moved: Numbers | Counts, k: int) -> Mask:
    """Where people came or went, in an arm, and fewer than k."""
    apart = np.abs(moved)
    return np.asarray(((apart > 0) & (apart < k)).any(axis=-1))


def _closures() -> Mask:
    """By the pairs that are joined, as bits, those that are connected."""
    found = np.zeros((1 << len(PAIRS), len(PAIRS)), dtype=bool)
    for bits in range(len(found)):
        reach = np.eye(len(NODES), dtype=int)
        for number, (a, b) in enumerate(PAIRS):
            reach[a, b] = reach[b, a] = bits >> number & 1
        reach = np.linalg.matrix_power(reach, len(NODES))
        found[bits] = [reach[a, b] > 0 for a, b in PAIRS]
    return found


CLOSURES = _closures()


def _connected(joined: Mask) -> Mask:
    """The pairs that are connected, of those on the last axis that are joined."""
    connected: Mask = CLOSURES[joined @ (1 << np.arange(len(PAIRS)))]
    return connected
