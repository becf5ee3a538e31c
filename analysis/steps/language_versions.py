"""Do the language versions of the outcome's instrument ask the same, before scores are pooled?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.frames import LANGUAGE, StudyFrames
from analysis.plans import AnalysisPlan
from analysis.stats.differential import differential_items
from analysis.stats.errors import UnusableData
from analysis.stats.multiplicity import adjust_p
from analysis.steps.blocks import Prepared
from analysis.steps.pieces import Piece, Steps, work

LEVEL = 0.05
METHOD = "differential items by ordinal logistic regression on total, language and both (Zumbo)"


def check_languages(
    frames: StudyFrames, prepared: Prepared, plan: AnalysisPlan, steps: Steps
) -> dict[str, Any]:
    """Items that people of one total answer otherwise in another language."""
    answers = frames.answers
    answers = answers.loc[answers.index.isin(prepared.people.index)]
    report: dict[str, Any] = {"method": METHOD, "instrument": plan.outcome, "refused": ""}
    if answers.empty:
        return report | {"refused": f"No answers to single items of {plan.outcome} are recorded."}
    piece = Piece("languages", {"answers": answers}, answers.index.tolist())
    found: dict[str, Any] = steps.each([piece])[0]
    return report | found


@work("languages")
def compare_languages(answers: pd.DataFrame) -> dict[str, Any]:
    """Each item; ``differing`` are those of large size whose p stands after Holm."""
    items = answers.drop(columns=LANGUAGE)
    try:
        found = differential_items(items, answers[LANGUAGE].to_numpy(dtype=str))
    except UnusableData as error:
        return {"refused": str(error)}
    adjusted = adjust_p(found.p_overall, "holm")
    whole = items.notna().all(axis=1)
    rows = [
        {
            "item": name,
            **{key: float(getattr(found, key)[at]) for key in ("p_uniform", "p_nonuniform")},
            "p": float(found.p_overall[at]),
            "p_holm": float(adjusted[at]),
            "nagelkerke": float(found.nagelkerke[at]),
            "size": found.size[at],
            "reason": found.reason[at],
        }
        for at, name in enumerate(found.item)
    ]
    counts = answers.loc[whole, LANGUAGE].value_counts().sort_index()
    return {
        "refused": "",
        "languages": {str(name): int(n) for name, n in counts.items()},
        "n_people": found.n_people,
        "n_left_out": found.n_left_out,
        "items": rows,
        "differing": [
            name
            for name, size, p in zip(found.item, found.size, adjusted, strict=True)
            if size == "large" and p < LEVEL
        ],
    }


def why_not_pooled(report: Mapping[str, Any], plan: AnalysisPlan) -> str:
    """Why scores of the languages are not predicted together; "" where they may be.

    Where the check itself could not be made, scores of one language are as they always were.
    """
    differing = report.get("differing", [])
    if plan.language_check != "refuse" or not differing:
        return ""
    return (
        f"People of one {report['instrument']} total answer {', '.join(differing)} otherwise in "
        "another language: scores of the language versions are not pooled, as the plan asks."
    )
