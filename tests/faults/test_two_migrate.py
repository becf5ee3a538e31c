"""Two who migrate an empty database at once: one does it, the other finds it done."""

import secrets
import time

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.signals import pre_migrate

from tests.faults import children

pytestmark = pytest.mark.django_db(transaction=True)
LONG_ENOUGH_TO_MEET = 0.5


@pytest.fixture
def empty_database():
    name = f"empty_{secrets.token_hex(4)}"
    with connection.cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name}")
    yield name
    with connection.cursor() as cursor:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def migrate(name):
    """As ``manage.py migrate`` there, slow between what is to be done and the doing."""
    connection.settings_dict["NAME"] = name

    def slow(sender, **_signal):
        if sender.label == "contenttypes":
            time.sleep(LONG_ENOUGH_TO_MEET)

    pre_migrate.connect(slow, weak=False)
    call_command("migrate", "contenttypes", verbosity=0)


def check_applied(name):
    """Each migration once, and the lock given back."""
    connection.settings_dict["NAME"] = name
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*), count(DISTINCT name) FROM django_migrations")
        assert cursor.fetchone() == (2, 2)
        cursor.execute(
            "SELECT count(*) FROM pg_locks JOIN pg_database ON oid = database"
            " WHERE locktype = 'advisory' AND datname = current_database()"
        )
        assert cursor.fetchone() == (0,)


def test_of_two_that_migrate_an_empty_database_the_second_waits_and_both_end_well(empty_database):
    both = [children.fork(lambda: migrate(empty_database)) for _ in range(2)]
    assert [children.wait(child) for child in both] == [0, 0]
    assert children.run(lambda: check_applied(empty_database)) == 0
