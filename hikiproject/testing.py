"""What a test run changes about the environment: before the settings are read, and only there."""

import os
import secrets
from pathlib import Path

from hikiproject import state as states
from hikiproject.locks import Lock

# Held until the process ends; a second run at the same time gets a folder of its own.
_held: list[Lock] = []


def enter() -> None:
    """Point this process and its children at a state folder that no demo and no other run uses.

    Called by ``manage.py test`` and by the pytest plugin; whoever comes second finds it done.
    """
    if "HIKI_TESTING" in os.environ:
        return
    state = _free_folder(states.default_state())
    os.environ.update(
        HIKI_TESTING="1",
        HIKI_STATE=str(state),
        HIKI_DURABLE="false",
        HIKI_FILES=str(state / "files"),
        HIKI_ARTEFACTS=str(state / "artefacts"),
        HIKI_HTTPS="false",
        HIKI_SECOND_FACTOR="nobody",
        HIKI_SECRET_KEY=secrets.token_urlsafe(50),
        # Playwright runs an event loop in the thread of the test.
        DJANGO_ALLOW_ASYNC_UNSAFE="true",
    )


def _free_folder(root: Path) -> Path:
    number = 1
    while True:
        folder = states.prepare(root / ("test" if number == 1 else f"test-{number}"))
        run = Lock(folder / "run.lock")
        if run.try_take():
            _held.append(run)
            return folder
        run.close()
        number += 1
