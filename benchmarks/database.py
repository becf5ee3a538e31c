"""A database of the benchmarks' own, on servers of their own that write as safely as a study's."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

from hikiproject import embedded
from hikiproject import state as states


@contextmanager
def empty_database() -> Iterator[None]:
    """Django set up on an empty database with the study's tables, dropped at the end."""
    state = states.prepare(states.default_state() / "benchmark")
    os.environ.update(
        HIKI_STATE=str(state),
        HIKI_FILES=str(state / "files"),
        HIKI_SECRET_KEY=secrets.token_urlsafe(50),
        HIKI_HTTPS="false",
        HIKI_SECOND_FACTOR="nobody",
        DJANGO_SETTINGS_MODULE="hikiproject.settings",
    )
    services = embedded.ensure(state)
    os.environ.update(DATABASE_URL=services.database_url, REDIS_URL=services.redis_url)
    import django

    django.setup()
    from django.db import connection

    before = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)


def url_of_test_database() -> str:
    """The database of `empty_database`, for a program beside this one."""
    from django.db import connection

    at = connection.settings_dict
    login = f"{quote(at['USER'])}:{quote(at['PASSWORD'])}"
    return f"postgres://{login}@{quote(at['HOST'], safe='')}:{at['PORT']}/{at['NAME']}"
