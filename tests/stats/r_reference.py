"""Reference values made by R: those stored beside their script, and those it makes now."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

REFERENCE = Path(__file__).parent / "reference"
LINEAR = ("linear_alike", "linear_even", "linear_few", "linear_full", "linear_gaps")


def stored(name: str) -> dict:
    """The values that the script of this name made when it was last run."""
    return json.loads((REFERENCE / f"{name}.json").read_text())


def rscript(script: Path, *arguments: str, folder: Path) -> str:
    """What the script prints; skips, with R's words, where R or a package is missing."""
    program = shutil.which("Rscript")
    if program is None:
        pytest.skip("Rscript is not installed: the stored values stand alone")
    command = [program, str(script), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if "there is no package called" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[0])
    assert done.returncode == 0, done.stderr
    return done.stdout


def run_again(script: str, *arguments: str, folder: Path) -> dict:
    """The values that the script makes of other tables."""
    return json.loads(rscript(REFERENCE / script, *arguments, folder=folder))


def numbers(values) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in np.atleast_1d(values)], dtype=float)


def linear(name: str, folder: Path = REFERENCE):
    """Values, group and covariates of a table for linear_models.R."""
    samples = pd.read_csv(folder / f"{name}_samples.csv")
    values = pd.read_csv(folder / f"{name}_values.csv").to_numpy()
    return values, samples["group"], samples.drop(columns="group")


def write_linear(folder: Path, name: str, values, group, covariates) -> None:
    covariates.assign(group=group).to_csv(folder / f"{name}_samples.csv", index=False)
    names = [f"f{number}" for number in range(values.shape[1])]
    pd.DataFrame(values, columns=names).to_csv(folder / f"{name}_values.csv", index=False)


def real_tables(real_data: Path):
    """Name, values, group and covariates of real cohorts with the gaps that they have."""
    heart = real_data / "heart_four_sites"
    people = pd.read_csv(heart / "participants.csv")
    values = pd.read_csv(heart / "measurements.csv").iloc[:, 1:].astype(float)
    values["cholesterol"] = values["cholesterol"].replace(0, np.nan)
    yield "heart", values.to_numpy(), people["case"], people[["age_years", "sex", "site"]]
    gut = pd.read_csv(real_data / "gut_cohorts" / "participants.csv")
    for cohort, wanted in (("kang", 61), ("wang", 60), ("yachida", 60)):
        here = gut[(gut.cohort == cohort) & gut.case.notna()]
        table = pd.read_csv(real_data / "gut_cohorts" / f"measurements_{cohort}.csv")
        table = table.set_index("sample_id").loc[here.sample_id].iloc[:, :wanted]
        # Zero stands for "not detected" in these three.
        logs = np.log(table.where(table > 0)).to_numpy()
        yield cohort, logs, here["case"].astype(int), here[["age_years", "sex"]]
