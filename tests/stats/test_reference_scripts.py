"""Every stored reference value is what its script says today, run as its head tells."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from tests.stats.r_reference import REFERENCE, numbers, rscript

SCRIPTS = sorted(path.stem for path in REFERENCE.glob("*.R"))
# How far R's own versions may differ: where it iterates, each stops at a tolerance of its own.
TOLERANCES = {
    "mixed_lme4": 1e-4,
    "psychometrics": 1e-5,
    "linear_models": 1e-6,
    "meta_metafor": 1e-6,
    "heterogeneity_metafor": 1e-6,
}


def command_of(script: str) -> tuple[list[str], str]:
    """Arguments, and the file that the output goes to ("": the script writes its own)."""
    head = (REFERENCE / f"{script}.R").read_text().split("\n")[:3]
    told = re.search(rf"Rscript {script}\.R([^>]*)(?:> (\S+))?$", "\n".join(head), re.MULTILINE)
    assert told, f"{script}.R: its first three lines do not say how it is run"
    return told[1].split(), told[2] or ""


def assert_alike(again, before, rtol, where):
    """The same tree of numbers and words; the line that says which versions made it may differ."""
    if isinstance(before, dict):
        assert again.keys() == before.keys(), where
        for key in before.keys() - {"made_by"}:
            assert_alike(again[key], before[key], rtol, f"{where}.{key}")
    elif isinstance(before, list) and any(isinstance(one, dict | list | str) for one in before):
        assert len(again) == len(before), where
        for place, (one, other) in enumerate(zip(again, before, strict=True)):
            assert_alike(one, other, rtol, f"{where}[{place}]")
    elif isinstance(before, str | bool):
        assert again == before, where
    else:
        expected = numbers(before)
        np.testing.assert_allclose(numbers(again), expected, rtol=rtol, atol=1e-9, err_msg=where)


@pytest.mark.parametrize("script", SCRIPTS)
def test_r_still_says_what_is_stored(script, tmp_path):
    arguments, output = command_of(script)
    sent = [path for path in REFERENCE.glob("*.csv") if not path.name.startswith(script)]
    for path in sent:
        shutil.copy(path, tmp_path)
    said = rscript(REFERENCE / f"{script}.R", *arguments, folder=tmp_path)
    rtol = TOLERANCES.get(script, 1e-8)
    if output:
        assert_alike(json.loads(said), json.loads((REFERENCE / output).read_text()), rtol, script)
    made = {path.name for path in tmp_path.iterdir()} - {path.name for path in sent}
    assert made == {path.name for path in REFERENCE.glob(f"{script}_*.csv")}
    for name in made:
        pd.testing.assert_frame_equal(
            pd.read_csv(tmp_path / name), pd.read_csv(REFERENCE / name), rtol=rtol
        )


def test_every_stored_value_has_its_script():
    made = {command_of(script)[1] for script in SCRIPTS}
    assert {path.name for path in REFERENCE.glob("*.json")} == made - {""}


def test_another_number_is_seen():
    before = {"rows": [{"name": "a", "auc": 0.75, "scores": [1, None, 3]}]}
    assert_alike(before, before, 1e-8, "script")
    for change in ({"auc": 0.750001}, {"scores": [1, 2, 3]}, {"name": "b"}):
        with pytest.raises(AssertionError, match=next(iter(change))):
            assert_alike({"rows": [before["rows"][0] | change]}, before, 1e-8, "script")
