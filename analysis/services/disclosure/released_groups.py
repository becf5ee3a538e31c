"""Groups behind the plots of models, joined until each rests on enough people (rule D4)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any

from analysis.services.disclosure.released_curves import curves_for
from analysis.services.disclosure.rules import rounded
from analysis.stats.roc_band import share_interval

Group = Mapping[str, Any]
NAMES = ("roc", "roc_by_site", "calibration", "groups")


def of_classifier(data: Mapping[str, Any], k: int, untold: Collection[str] = ()) -> dict[str, Any]:
    """What plots of the classifier draw; of the sites ``untold`` nothing can be worked out."""
    return {
        "roc": roc_for(data.get("roc", ()), k),
        "roc_by_site": curves_for(data, untold, k),
        "calibration": calibration_for(data.get("calibration", ()), k),
    }


def of_severity(data: Mapping[str, Any], k: int) -> dict[str, Any]:
    """What the plot of severity draws."""
    return {"groups": severity_for(data.get("groups", ()), k)}


def roc_for(steps: Iterable[Group], k: int) -> list[dict[str, float | None]]:
    """Points of the curve with their intervals; each step holds k cases and spans k controls.

    Shares and intervals come from rounded counts, so that no step's number of cases can be counted
    back. The ends of the curve are fixed: they have no interval.
    """
    told = list(steps)
    total = sum(int(step["n_case"]) for step in told)
    points, before, at, n = [_point(0.0, 0.0)], 0.0, 0, 0
    for step in told:
        n += int(step["n_case"])
        end = float(step["false_positive"])
        wide_enough = (end - before) * int(step["n_control"]) >= k
        if n >= k and wide_enough and (total - at - n >= k or total == at + n):
            at, n, before = at + n, 0, end
            share = _share(at, total)
            points.append(_point(end, share, *_interval(share, total, step)))
    if points[-1]["false_positive"] != 1.0 and total >= k:
        points.append(_point(1.0, 1.0))
    return points if len(points) > 2 else []


def _interval(share: float, total: int, step: Group) -> tuple[float, float] | tuple[()]:
    """Of a share of so many cases; nothing for a run of before there were intervals."""
    if "inflation" not in step or float(step["false_positive"]) >= 1.0:
        return ()
    return share_interval(share, rounded(total) / float(step["inflation"]))


def _point(
    end: float, share: float, low: float | None = None, high: float | None = None
) -> dict[str, float | None]:
    return {
        "false_positive": round(end, 2),
        "true_positive": share,
        "ci_low": None if low is None else round(low, 2),
        "ci_high": None if high is None else round(high, 2),
    }


def calibration_for(groups: Iterable[Group], k: int) -> list[dict[str, Any]]:
    """Mean score and share of cases of groups with k cases and k controls each."""
    return [
        {
            "predicted": round(_mean(group, "predicted"), 2),
            "observed": _share(_sum(group, "n_case"), _size(group)),
            "n": rounded(_size(group)),
        }
        for group in _joined(groups, lambda g: min(_sum(g, "n_case"), _sum(g, "n_control")) >= k)
    ]


def severity_for(groups: Iterable[Group], k: int) -> list[dict[str, Any]]:
    """Means of prediction and record of groups with k people each."""
    return [
        {
            "predicted": round(_mean(group, "predicted"), 1),
            "observed": round(_mean(group, "observed"), 1),
            "n": rounded(_size(group)),
        }
        for group in _joined(groups, lambda g: _size(g) >= k)
    ]


def _joined(groups: Iterable[Group], enough: Callable[[list[Group]], bool]) -> list[list[Group]]:
    """Neighbours joined until each is large enough; what is left over goes to the last."""
    found: list[list[Group]] = []
    open_one: list[Group] = []
    for group in groups:
        open_one.append(group)
        if enough(open_one):
            found.append(open_one)
            open_one = []
    if open_one and found:
        found[-1].extend(open_one)
    return found


def _share(part: int, whole: int) -> float:
    return round(rounded(part) / rounded(whole), 2)


def _n(group: Group) -> int:
    return int(group["n"]) if "n" in group else int(group["n_case"]) + int(group["n_control"])


def _size(groups: list[Group]) -> int:
    return sum(map(_n, groups))


def _sum(groups: list[Group], name: str) -> int:
    return sum(int(group[name]) for group in groups)


def _mean(groups: list[Group], name: str) -> float:
    return sum(float(group[name]) * _n(group) for group in groups) / _size(groups)
