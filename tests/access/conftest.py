"""The world that the matrix is walked in."""

from __future__ import annotations

import pytest
from django.core.management import call_command

from analysis.services import freshness
from tests.access.world import a_world


@pytest.fixture(autouse=True)
def silent_broker(monkeypatch):
    monkeypatch.setattr(freshness, "ring", lambda *args, **kwargs: True)


@pytest.fixture(scope="module")
def world(django_db_setup, django_db_blocker):
    """Committed once for all these tests; what each of them adds is rolled back."""
    with django_db_blocker.unblock():
        try:
            yield a_world()
        finally:
            call_command("flush", verbosity=0, interactive=False)
