"""Fixtures that many tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.db import connection
from django.test import Client, TransactionTestCase
from django.utils import translation
from rest_framework.test import APIClient

from analysis.services import told_verdicts
from analysis.services.disclosure import judged_tables
from cohorts.services import counting
from hikiproject.packing import PackingMiddleware
from tests import emptying, sessions
from tests.fixtures_worker import worker  # noqa: F401 - a fixture


@pytest.fixture(scope="session", autouse=True)
def _emptied_where_there_are_rows():
    """What a test committed is deleted after it; a flush takes longer than most such tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", lambda case: emptying.empty())
        yield


@pytest.fixture(scope="session", autouse=True)
def _passwords_are_hashed_quickly():
    """Argon2 as everywhere, but without what makes it slow: a tenth of a second of every core."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Argon2PasswordHasher, "memory_cost", 1_024)
        patch.setattr(Argon2PasswordHasher, "time_cost", 1)
        yield


@pytest.fixture(scope="session", autouse=True)
def _static_files_are_looked_for_once():
    """Each client of a test is a server that starts, and a server looks at every static file."""
    found: dict = {}
    look = PackingMiddleware.add_files_from_finders

    def look_once(middleware):
        if not found:
            look(middleware)
            found.update(middleware.files)
        middleware.files.update(found)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PackingMiddleware, "add_files_from_finders", look_once)
        yield


@pytest.fixture(autouse=True)
def _no_language_left_over():
    """A request leaves its language active in its thread; on a server the next chooses its own."""
    yield
    translation.deactivate()


@pytest.fixture(autouse=True)
def _valkey_is_asked_again(monkeypatch):
    """A test that met a silent one leaves nobody uncounted in the next."""
    monkeypatch.setattr(counting, "_silent_until", 0.0)


@pytest.fixture(autouse=True)
def _tables_are_judged_again():
    """A rule that one test takes away is missing from no other test's answers."""
    judged_tables.forget()
    told_verdicts.forget()


@pytest.fixture
def api():
    """A client of the API, logged in by `api.force_authenticate(user)`."""
    return APIClient()


@pytest.fixture
def browse():
    """A function: a web client logged in as that user."""

    def logged_in(user):
        client = Client()
        client.force_login(user)
        return client

    return logged_in


@pytest.fixture
def reference(db):
    """Study, feature dictionary, instruments, claims and plan, as shipped."""
    from hikiproject import readiness

    return readiness.seed()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets; tests that need it are skipped where it is not."""
    folder = os.environ.get("HIKI_REAL_DATA")
    if not folder:
        pytest.skip("HIKI_REAL_DATA names no folder of real data sets")
    return Path(folder)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup, django_db_blocker):
    """Before the test database is dropped, end what still talks to it.

    A thread of the live server may be answering a browser that has left already.
    """
    yield
    with django_db_blocker.unblock():
        connection.close()  # a fault test may have ended it
        sessions.end_others()
