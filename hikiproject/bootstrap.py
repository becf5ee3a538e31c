"""From a bare Python to the project's environment: make ``.venv`` once, then carry on inside it.

Standard library only, and no syntax newer than Python 3.8, so that an old Python gets a sentence.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

BASE = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
RUNTIME, TESTS = "requirements.txt", "requirements-test.txt"
STAMP, MAKING, LOCK = "hiki.stamp", "hiki.making", "hiki.lock"
# What pip is told about the way to its packages, in the words of uv.
UV_WORDS = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
    "trusted-host": "UV_INSECURE_HOST",
    "no-index": "UV_NO_INDEX",
    "proxy": "ALL_PROXY",
}


class Refused(SystemExit):
    """The environment cannot be made; the message says what to do."""

    def __init__(self, message: str) -> None:
        print(message, file=sys.stderr)
        super().__init__(1)


def say(message: str) -> None:
    """One line of progress."""
    print(f"hikiproject: {message}", file=sys.stderr, flush=True)


def enter(argv: list[str]) -> None:
    """Return inside an environment that has the packages of the command, or replace this process.

    A virtual environment of the user's own that has Django is taken as it is. The system's Python
    is not, even with Django: its versions are not ours.
    """
    if sys.version_info < OLDEST:
        found = "{}.{}".format(*sys.version_info)
        raise Refused(
            f"hikiproject needs Python 3.11 or newer; {sys.executable} is {found}. "
            "Start it with a newer one, e.g. python3.11 manage.py."
        )
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    _enter_environment(argv)
    if argv[1:2] == ["test"]:
        from hikiproject import testing

        testing.enter()


def _enter_environment(argv: list[str]) -> None:
    inside = Path(sys.prefix)
    foreign = sys.prefix != sys.base_prefix and not (inside / STAMP).exists()
    if foreign and importlib.util.find_spec("django"):
        return
    files = wanted(argv)
    venv = choose_folder(files)
    if not is_ready(venv, files):
        make(venv, files)
    if inside.resolve() != venv.resolve():
        python = str(venv / "bin" / "python")
        os.execve(python, [python, *argv], clean_environment())  # noqa: S606  # no shell on purpose


def wanted(argv: list[str]) -> list[Path]:
    """Requirement files of a command; the tests need their own packages too."""
    names = [RUNTIME, TESTS] if argv[1:2] == ["test"] else [RUNTIME]
    return [BASE / name for name in names]


def choose_folder(files: list[Path]) -> Path:
    """``.venv`` beside manage.py; where the checkout is read-only, a folder of the user's own."""
    beside = BASE / ".venv"
    if is_ready(beside, files) or os.access(beside if beside.exists() else BASE, os.W_OK):
        return beside
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    digest = hashlib.sha256(os.fsencode(BASE)).hexdigest()[:12]
    return data / "hikiproject" / digest / "venv"


def stamp_of(files: list[Path]) -> list[str]:
    """A line for each requirement file: its name and the hash of its content."""
    return [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in files]


def is_ready(venv: Path, files: list[Path]) -> bool:
    """Whether an earlier start installed exactly these files (and perhaps more)."""
    try:
        done = (venv / STAMP).read_text().splitlines()
    except OSError:
        return False
    return os.access(venv / "bin" / "python", os.X_OK) and set(stamp_of(files)) <= set(done)


def make(venv: Path, files: list[Path]) -> None:
    """Make or renew the environment while other starts wait."""
    import fcntl  # not on Windows, where the sentence above about Python should still appear

    try:
        venv.mkdir(parents=True, exist_ok=True)
        lock = (venv / LOCK).open("a")
    except OSError as error:
        raise Refused(f"{venv}: {error.strerror}. Make the folder writable, or set HOME.") from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is making the environment; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(venv, files):
            _make_locked(venv, files)


def _make_locked(venv: Path, files: list[Path]) -> None:
    known = (venv / STAMP).read_text() if (venv / STAMP).exists() else ""
    # Test packages that are there stay there, or every change between commands would reinstall.
    if TESTS in known:
        files = [BASE / RUNTIME, BASE / TESTS]
    if (venv / MAKING).exists() or not _runs(venv):
        _clear(venv)
        (venv / MAKING).touch()
        say(f"making the environment {venv} (once)")
        _create(venv)
    (venv / MAKING).touch()
    (venv / STAMP).unlink(missing_ok=True)
    say("installing {} (20 to 60 s)".format(" and ".join(file.name for file in files)))
    install(venv, files)
    (venv / STAMP).write_text("\n".join(stamp_of(files)) + "\n")
    (venv / MAKING).unlink()


def _clear(venv: Path) -> None:
    """Empty a half-made environment, all but the lock that we hold."""
    for entry in venv.iterdir():
        if entry.name == LOCK:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def _runs(venv: Path) -> bool:
    python = venv / "bin" / "python"
    return python.exists() and _call([python, "-m", "pip", "--version"]).returncode == 0


def _create(venv: Path) -> None:
    lacking = [name for name in ("venv", "ensurepip") if not importlib.util.find_spec(name)]
    if lacking:
        raise Refused(
            f"{sys.executable} lacks {' and '.join(lacking)}. On Debian or Ubuntu run, as root: "
            "apt-get install python3-venv. Then repeat the command."
        )
    done = _call([sys.executable, "-m", "venv", venv])
    if done.returncode:
        raise Refused(
            f"python3 -m venv failed:\n{_tail(done)}\nIf ensurepip is named above, run as root: "
            "apt-get install python3-venv. Then repeat the command."
        )


def install(venv: Path, files: list[Path]) -> None:
    """Install exactly the pinned files, each archive checked against its hash: uv, else pip."""
    python = venv / "bin" / "python"
    pinned = venv / "uv.txt"
    pinned.write_text(block(BASE / RUNTIME, "uv"))
    pip: list[str | Path] = [
        python,
        "-m",
        "pip",
        "install",
        "--require-hashes",
        "--no-compile",
        "--quiet",
    ]
    done = _call([*pip, "-r", pinned])
    if done.returncode == 0:
        uv: list[str | Path] = [
            venv / "bin" / "uv",
            "pip",
            "sync",
            "--python",
            python,
            "--require-hashes",
        ]
        done = _call([*uv, *files], uv_environment(python))
    if done.returncode:
        say("uv could not install the packages; trying pip (1 to 2 min)")
        first = done
        done = _call([*pip, *(word for file in files for word in ("-r", file))])
        if done.returncode:
            raise Refused(
                f"uv said:\n{_tail(first)}\npip said:\n{_tail(done)}\nThe packages could not be "
                "installed. Check the network, and PIP_INDEX_URL or pip.conf where packages come "
                "from a mirror; then repeat the command."
            )


def block(file: Path, package: str) -> str:
    """The pin of one package with its hashes, as it stands in a requirements file."""
    lines = file.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(package + "=="))
    end = start
    while lines[end].endswith("\\"):
        end += 1
    return "\n".join(lines[start : end + 1]) + "\n"


def uv_environment(python: Path) -> dict[str, str]:
    """Tell uv what pip's configuration says; what the user told uv directly stands."""
    told = parse_pip_config(_call([python, "-m", "pip", "config", "list"]).stdout)
    environment = clean_environment()
    for word, value in told.items():
        if word in UV_WORDS:
            separator = "," if word == "find-links" else " "
            environment.setdefault(UV_WORDS[word], separator.join(value.split()))
    # As pip does; the hashes in our files keep a wrong index from mattering.
    environment.setdefault("UV_INDEX_STRATEGY", "unsafe-best-match")
    home = Path.home()
    if not os.access(home, os.W_OK):
        environment.setdefault("UV_NO_CACHE", "1")
    return environment


def parse_pip_config(listing: str) -> dict[str, str]:
    """Options of ``pip config list`` by name; the environment wins over files, as in pip."""
    options: dict[str, str] = {}
    for section in ("global.", "install.", ":env:."):
        for line in listing.splitlines():
            if line.startswith(section) and "=" in line:
                word, _, value = line[len(section) :].partition("=")
                options[word] = str(ast.literal_eval(value))
    return options


def clean_environment() -> dict[str, str]:
    """Our environment without what would lead Python to other packages or to no byte code."""
    misleading = {"PYTHONDONTWRITEBYTECODE", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}
    return {k: v for k, v in os.environ.items() if k not in misleading}


def _call(
    command: list[str | Path], environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(word) for word in command],
        env=environment or clean_environment(),
        cwd=BASE,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def _tail(done: subprocess.CompletedProcess[str], lines: int = 12) -> str:
    return "\n".join((done.stdout + done.stderr).strip().splitlines()[-lines:])
