"""Which sites are left out together, where a study has too many to leave out one at a time."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from analysis.stats.site_folds import SiteStudy, untestable
from analysis.stats.tables import refuse_no_count

Floats = NDArray[np.float64]
Group = tuple[str, ...]

# A group may hold so many times its share of the cases, or of the controls, before sites change.
FULL = 1.5
# A swap that gains less than this is rounding.
GAIN = 1e-9


@dataclass(frozen=True)
class LeftOut:
    """Groups of sites that are left out one after the other; ``reasons`` of those in none."""

    groups: tuple[Group, ...]
    reasons: dict[str, str]

    @property
    def together(self) -> tuple[Group, ...]:
        """The groups, where sites share one; nothing where each site is left out by itself."""
        return self.groups if any(len(group) > 1 for group in self.groups) else ()


def leave_out(study: SiteStudy, most: int | None = None) -> LeftOut:
    """Each testable site by itself, or with more than ``most`` of them in so many groups.

    Raises
    ------
    UnusableData
        Fewer than 2 groups asked for.
    """
    reasons = {code: untestable(study, code) for code in study.codes}
    tested = [code for code in study.codes if not reasons[code]]
    groups = deal_sites({code: study.counts(code) for code in tested}, most)
    for group in groups:
        if len(group) > 1:
            reasons |= {code: untestable(study, code, frozenset(group)) for code in group}
    kept = (tuple(code for code in group if not reasons[code]) for group in groups)
    return LeftOut(
        tuple(group for group in kept if group),
        {code: reason for code, reason in reasons.items() if reason},
    )


def deal_sites(people: Mapping[str, tuple[int, ...]], most: int | None = None) -> tuple[Group, ...]:
    """Sites in at most ``most`` groups, so that each is judged by what the others teach [1]_ [2]_.

    Sites are dealt in the order of their codes. Only where a group would hold half as much again
    as its share of a label, it changes sites with others, one pair at a time. Sizes count by
    powers of two: were they exact, each new batch would deal all sites anew.

    Parameters
    ----------
    people : mapping of site codes to counts
        The same kinds of people at each site, e.g. cases and controls.
    most : int, optional
        Without it, or with no more sites, each site is a group.

    Returns
    -------
    tuple of groups, each of sorted codes, in the order of their first codes.

    Raises
    ------
    UnusableData
        Fewer than 2 groups asked for.

    References
    ----------
    .. [1] Roberts et al. 2017, doi:10.1111/ecog.02881 (groups that belong together, left out whole)
    .. [2] Kohavi 1995, IJCAI 14, 1137-1143 (folds, and labels balanced among them)
    """
    if most is not None:
        refuse_no_count(most, "Groups of sites that are left out in turn", least=2)
    codes = sorted(people)
    if most is None or len(codes) <= most:
        return tuple((code,) for code in codes)
    share = _shares(np.array([people[code] for code in codes], dtype=np.float64), most)
    at = np.arange(len(codes)) % most
    while (pair := _best_swap(share, at, most)) is not None:
        at[list(pair)] = at[list(pair[::-1])]
    groups = (
        tuple(code for code, own in zip(codes, at, strict=True) if own == n) for n in range(most)
    )
    return tuple(sorted(groups))


def _shares(people: Floats, most: int) -> Floats:
    """Of each site and kind, its size by powers of two, in shares of what a group should hold."""
    coarse = np.where(people > 0, 2.0 ** np.floor(np.log2(np.maximum(people, 1))), 0.0)
    total = coarse.sum(axis=0)
    shares: Floats = coarse / np.where(total > 0, total, 1.0) * most
    return shares


def _best_swap(share: Floats, at: NDArray[np.intp], most: int) -> tuple[int, int] | None:
    """The pair of sites whose change relieves the fullest group most; none where all is well."""
    held = np.array([share[at == group].sum(axis=0) for group in range(most)])
    fullest = int(np.argmax(np.round(held.max(axis=1), 9)))
    least, best = float(held[fullest].max()) - GAIN, None
    if least <= FULL:
        return None
    for ours in np.flatnonzero(at == fullest):
        for theirs in np.flatnonzero(at != fullest):
            less = share[ours] - share[theirs]
            after = max((held[fullest] - less).max(), (held[at[theirs]] + less).max())
            if after < least - GAIN:
                least, best = float(after), (int(ours), int(theirs))
    return best
