"""What stops the platform from starting, and the sentence that says so."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError, connection

from hikiproject import environment
from hikiproject.credentials import free_port

ROOT = Path(__file__).resolve().parent.parent
ELSEWHERE = {"DATABASE_URL": "postgres://u:p@127.0.0.1:1/x", "REDIS_URL": "redis://127.0.0.1:1/0"}
KEYED = ELSEWHERE | {"HIKI_SECRET_KEY": "s" * 50}


def start(**given):
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "runs"],
        cwd=ROOT,
        env=kept | given,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            ELSEWHERE | {"DATABASE_URL": "sqlite:///study.db"},
            "DATABASE_URL names 'sqlite'; set postgres://USER:PASSWORD@HOST:PORT/NAME",
        ),
        (
            KEYED | {"REDIS_URL": "amqp://127.0.0.1:1/0"},
            "REDIS_URL names 'amqp'; set redis://:PASSWORD@HOST:PORT/0",
        ),
        (
            KEYED | {"DATABASE_URL": "postgres://u:p/w@127.0.0.1:1/x"},
            "DATABASE_URL cannot be taken apart; write postgres://USER:PASSWORD@HOST:PORT/NAME",
        ),
        (
            KEYED | {"REDIS_URL_FILE": "/nonexistent/redis"},
            "REDIS_URL_FILE names a file that cannot be read: [Errno 2] No such file",
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
def test_a_wrong_setting_is_told_in_a_sentence_and_not_in_a_traceback(given, sentence):
    ended = start(**given)
    assert ended.returncode == 1
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_a_mail_server_mails_are_files_of_the_state_folder(settings):
    assert str(settings.STATE_DIR / "mail") == settings.EMAIL_FILE_PATH


def test_a_secret_may_come_from_a_file_that_ends_with_a_line_break(tmp_path, monkeypatch):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    monkeypatch.setenv("HIKI_TRIAL_FILE", str(secret))
    assert environment.env.str("HIKI_TRIAL") == "s3cret"


@pytest.mark.parametrize("command", [("serve", "--port", str(free_port())), ("migrate",)])
def test_a_command_that_finds_no_database_says_so_in_a_sentence(command, monkeypatch):
    def away():
        raise OperationalError("connection refused")

    monkeypatch.setattr(connection, "ensure_connection", away)
    with pytest.raises(CommandError, match=r"does not answer; check DATABASE_URL\..*refused"):
        call_command(*command)
