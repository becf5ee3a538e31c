"""The first command that a newcomer types, in a state folder of its own."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = {"DATABASE_URL", "REDIS_URL", "DJANGO_SETTINGS_MODULE"}


def command(state, *words):
    """A command as a person would type it, with none of the tests' own servers."""
    kept = {k: v for k, v in os.environ.items() if k not in OURS and not k.startswith("HIKI_")}
    return subprocess.run(
        [sys.executable, "manage.py", *words],
        cwd=ROOT,
        env=kept | {"HIKI_STATE": str(state)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def demonstrated():
    """The demo, run once; its state folder can be entered by the servers' user."""
    parent = Path(tempfile.mkdtemp(prefix="hiki-demo-"))
    parent.chmod(0o755)
    state = parent / "state"
    ended = command(state, "demo")
    assert ended.returncode == 0, ended.stderr
    yield state, ended.stdout
    shutil.rmtree(parent)


@pytest.fixture(scope="module")
def verdicts(demonstrated):
    rows = json.loads(command(demonstrated[0], "claims", "--json").stdout)
    return {(row["claim"], row["stratum"]): row for row in rows}


def test_it_tells_the_verdicts_the_sites_and_where_to_log_in(demonstrated):
    _, told = demonstrated
    assert "K22-1  long-chain acylcarnitines" in told
    assert "Sites (cases+controls analysed): FUK " in told
    assert "Log in at http://127.0.0.1:8000/" in told
    assert "site coordinator of FUK" in told


def test_what_was_planted_in_both_sexes_is_found(verdicts):
    assert verdicts["K22-1", "all"]["verdict"] == "replicated"
    assert verdicts["K22-1", "all"]["n_sites"] == 5


def test_what_was_planted_in_men_alone_is_not_found_in_women(verdicts):
    for claim in ("K22-2", "K22-3", "K22-4", "K22-5"):
        assert verdicts[claim, "women"]["verdict"] == "undecided"
    assert verdicts["K22-5", "men"]["verdict"] == "replicated"


def test_the_site_that_separates_late_does_not_speak_on_arginine_and_ornithine(verdicts):
    for claim in ("K22-2", "K22-3"):
        assert verdicts[claim, "men"]["n_sites"] == 4
        assert "MIL is left out: its handling is suspect" in verdicts[claim, "men"]["reason"]


def test_every_claim_has_a_verdict_with_the_fields_that_programs_rely_on(verdicts):
    assert {code for code, _ in verdicts} == {f"K22-{n}" for n in range(1, 10)}
    wanted = {"claim", "marker", "stratum", "verdict", "reason", "estimate", "ci_low", "ci_high"}
    wanted |= {"n_sites", "n_case", "n_control"}
    assert all(wanted <= row.keys() for row in verdicts.values())


def test_a_second_demo_duplicates_nothing(demonstrated):
    state, _ = demonstrated
    before = json.loads(command(state, "runs", "--json").stdout)
    again = command(state, "demo")
    assert again.returncode == 0, again.stderr
    after = json.loads(command(state, "runs", "--json").stdout)
    assert [run["id"] for run in after] == [run["id"] for run in before]
    assert after[0]["sites"] == before[0]["sites"]


def test_a_run_is_found_up_to_date(demonstrated):
    told = command(demonstrated[0], "refresh", "--wait").stdout
    assert told == "kyushu-2022: up to date\n"
