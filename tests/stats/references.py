"""Reference values made by another program, and that program run again where it is installed."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parent / "reference"


def stored(name: str) -> dict[str, Any]:
    """The values that the script of this name made when it was last run."""
    return json.loads((FOLDER / f"{name}.json").read_text())


def made_again(name: str, *packages: str) -> dict[str, Any]:
    """The same values made now; the test is skipped with the reason where that cannot be."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        pytest.skip("Rscript is not installed: the stored reference values are not made again")
    wanted = ", ".join(f'"{package}"' for package in ("jsonlite", *packages))
    missing = f"for (p in c({wanted})) if (!requireNamespace(p, quietly = TRUE)) cat(p, '')"
    lacks = subprocess.run([rscript, "-e", missing], capture_output=True, text=True, check=True)
    if lacks.stdout.strip():
        pytest.skip(f"R lacks {lacks.stdout.strip()}: the reference values are not made again")
    done = subprocess.run(
        [rscript, str(FOLDER / f"{name}.R")], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def assert_same(found: Any, expected: Any, where: str = "") -> None:
    """Equal structures, numbers to 1e-9; the line that says which versions made them may differ."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys(), where
        for key in expected.keys() - {"made_by"}:
            assert_same(found[key], expected[key], f"{where}.{key}")
    elif isinstance(expected, list):
        assert len(found) == len(expected), where
        for position, (one, other) in enumerate(zip(found, expected, strict=True)):
            assert_same(one, other, f"{where}[{position}]")
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-12), where
    else:
        assert found == expected, where
