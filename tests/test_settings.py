"""What stops the platform from starting, and the sentence that says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {"DATABASE_URL": "postgres://u:p@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
KEYED = ELSEWHERE | {"HIKI_SECRET_KEY": "s" * 50}


def start(**environment):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "runs"],
        cwd=ROOT,
        env=kept | environment,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        (
            ELSEWHERE | {"DATABASE_URL": "sqlite:///study.db"},
            "DATABASE_URL names 'sqlite'; only PostgreSQL (15 or newer) keeps this study's rules.",
        ),
        (ELSEWHERE, "Set HIKI_SECRET_KEY; see 'Configuration' in README.md."),
        (
            ELSEWHERE | {"HIKI_SECRET_KEY": "s" * 50, "HIKI_DISCLOSURE_K": "3"},
            "HIKI_DISCLOSURE_K is below 5: numbers on so few people are not released.",
        ),
        (
            KEYED | {"HIKI_UPLOAD_MAX_MB": "a lot"},
            "HIKI_UPLOAD_MAX_MB is 'a lot'; write a number of 1 or more.",
        ),
        (
            KEYED | {"HIKI_SETTLE_SECONDS": "-3"},
            "HIKI_SETTLE_SECONDS is '-3'; write a number of 0 or more.",
        ),
        (
            KEYED | {"HIKI_RATE_PER_MINUTE": "1.5"},
            "HIKI_RATE_PER_MINUTE is '1.5'; write a whole number.",
        ),
        (
            KEYED | {"HIKI_HTTPS": "maybe"},
            "HIKI_HTTPS is 'maybe'; write true or false.",
        ),
        (
            ELSEWHERE | {"HIKI_SECRET_KEY": "s" * 50},
            "The database does not answer; check DATABASE_URL.",
        ),
    ],
)
def test_a_wrong_setting_is_told_in_a_sentence_and_not_in_a_traceback(environment, sentence):
    ended = start(**environment)
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_secret_may_come_from_a_file(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s" * 50)
    ended = start(**ELSEWHERE, HIKI_SECRET_KEY_FILE=str(secret))
    assert "The database does not answer" in ended.stderr
