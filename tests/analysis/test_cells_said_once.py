"""A reason that all cells of the sensitivity grid share is said once, under the table."""

import pandas as pd
from django.template.loader import render_to_string

from analysis.services.disclosure.whys import WORDS, Why
from analysis.views import forests

CHOSEN = forests.Forest(
    **dict.fromkeys(forests.Forest.__dataclass_fields__) | {"feature": "f", "stratum": "all"}
)


def page(reasons):
    rows = [
        {"feature": "f", "stratum": "all", "changes": words, "reason": reason, "side": ""}
        for words, reason in zip(("", "drug_free", "fasting"), reasons, strict=True)
    ]
    cells = forests.cells_of(pd.DataFrame(rows), CHOSEN)
    return render_to_string("analysis/_sensitivity.html", {"cells": cells, "forest": CHOSEN})


def test_a_reason_that_all_share_is_said_once():
    told = page([WORDS[Why.FEW], WORDS[Why.FEW], ""])
    assert told.count("rests on too few people") == 1
    assert "Rows without numbers:" in told


def test_different_reasons_stand_beside_their_rows():
    told = page([WORDS[Why.FEW], "Too few sites.", ""])
    assert "Rows without numbers:" not in told
    assert told.count("rests on too few people") == told.count("Too few sites.") == 1
