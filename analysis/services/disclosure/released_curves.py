"""The ROC curves of single sites, as far as nothing of a few people can be worked out of them.

The curve of all sites is their sum, so what is told of some of them tells the rest: all curves
share their steps, and in each of these every site that is drawn has k cases and spans k controls,
and so have the sites that are not drawn, taken together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.services.disclosure.rules import rounded


@dataclass(frozen=True)
class Curve:
    """Cases in each of the finest steps, and controls, of a site or of several together."""

    site: str
    n_case: tuple[int, ...]
    n_control: int

    @property
    def total(self) -> int:
        return sum(self.n_case)

    def may_end(self, start: int, end: int, k: int) -> bool:
        """Whether the steps from start to before end hold k people of each arm, and those after."""
        here, after = sum(self.n_case[start:end]), sum(self.n_case[end:])
        shortest = min(end - start, len(self.n_case) - end)
        spans = shortest / len(self.n_case) * self.n_control
        return here >= k and spans >= k and (after >= k or after == 0)


def curves_for(data: Mapping[str, Any], untold: Collection[str], k: int) -> list[dict[str, Any]]:
    """Points of each site's curve; sites with the fewest cases are left out until there are some.

    One ``untold`` site by itself would be the difference: then no curve is told.
    """
    curves = [
        Curve(str(each["site"]), tuple(each["n_case"]), int(each["n_control"]))
        for each in data.get("roc_by_site", ())
    ]
    drawn = [curve for curve in curves if curve.site not in untold]
    if len(curves) - len(drawn) == 1:
        return []
    drawn.sort(key=lambda curve: (-curve.total, curve.site))
    while drawn:
        ends = _ends(drawn, _together([curve for curve in curves if curve not in drawn]), k)
        if ends:
            return [
                {"site": curve.site, "points": _points(curve, ends)}
                for curve in sorted(drawn, key=lambda curve: curve.site)
            ]
        drawn.pop()
    return []


def _together(rest: Sequence[Curve]) -> list[Curve]:
    if not rest:
        return []
    n_case = tuple(map(sum, zip(*(curve.n_case for curve in rest), strict=True)))
    return [Curve("", n_case, sum(curve.n_control for curve in rest))]


def _ends(drawn: Sequence[Curve], rest: Sequence[Curve], k: int) -> list[int]:
    """Where steps end that hold enough people of everybody; the last finest step is no end."""
    found, start = [], 0
    for end in range(1, len(drawn[0].n_case)):
        if all(curve.may_end(start, end, k) for curve in (*drawn, *rest)):
            found.append(end)
            start = end
    return found


def _points(curve: Curve, ends: Sequence[int]) -> list[dict[str, float]]:
    n_steps = len(curve.n_case)
    inner = [
        {
            "false_positive": round(end / n_steps, 2),
            "true_positive": round(rounded(sum(curve.n_case[:end])) / rounded(curve.total), 2),
        }
        for end in ends
    ]
    first, last = ({"false_positive": at, "true_positive": at} for at in (0.0, 1.0))
    return [first, *inner, last]
