"""The handling guard knows arginine and ornithine by what they are, not by what they are called."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from analysis.steps.across_sites import judge_site
from analysis.steps.guarded_pair import PAIR, names_of_pair

CALLED = ({"arginine": "arginine", "ornithine": "ornithine"}, {"arginine": "Arg", "ornithine": "x"})


@pytest.mark.parametrize("called", CALLED)
@pytest.mark.parametrize("identified", [True, False])
def test_a_site_that_spins_late_is_suspect_whatever_its_markers_are_called(called, identified):
    names = list(called.values())
    hmdb = [PAIR[marker] for marker in called] if identified else ["", ""]
    block = SimpleNamespace(
        site="MIL",
        matrix="plasma",
        scale="log2",
        raw=pd.DataFrame(np.tile([40.0, 60.0], (30, 1)), columns=names),
        sources=pd.DataFrame({"hmdb": hmdb, "unit": "umol/L"}, index=names),
        spin_delay_hours=pd.Series(np.full(30, 5.0)),
    )
    judged = judge_site("MIL", SimpleNamespace(blocks=[block]))
    assert judged.verdict == "suspect"
    known = identified or called == CALLED[0]
    assert judged.touches == (tuple(names) if known else ("arginine", "ornithine"))
    assert judged.n_ratio == (30 if known else 0)


def test_an_identifier_says_more_than_a_name():
    features = [("arginine", "HMDB0000001"), ("L-arginine", PAIR["arginine"]), ("ornithine", "")]
    assert names_of_pair(features) == {"arginine": "L-arginine", "ornithine": "ornithine"}
