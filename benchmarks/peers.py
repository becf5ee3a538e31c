"""Where the peers are installed: an environment of their own, made when it is first needed."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

from hikiproject.state import default_state

Say = Callable[[str], None]

# Module to import -> package to install.
PEERS = {
    "neuroHarmonize": "neuroHarmonize",
    "neuroCombat": "neuroCombat",
    "combaters": "combaters",
    "pymare": "PyMARE",
    "nilearn": "nilearn",
    "ikpls": "ikpls",
    "statsmodels": "statsmodels",
    "import_export": "django-import-export",
}
# Ours is measured with the versions that it runs with, and so are the peers that share them.
SHARED = ("numpy", "scipy", "scikit-learn", "django")
TOOLS = ("pandas", "threadpoolctl", "psycopg[binary]")


def ensure(say: Say) -> Path:
    """Python of the peers' environment, with every peer that can be installed in it."""
    folder = default_state() / "benchmark-venv"
    python = folder / "bin" / "python"
    if not python.exists():
        say(f"Making the environment of the peers in {folder.name}.")
        _run([_uv(), "venv", "--python", sys.executable, str(folder)])
    wanted = [f"{name}=={metadata.version(name)}" for name in SHARED]
    lacking = _lacking(python)
    if lacking:
        say(f"Installing {', '.join(PEERS[module] for module in lacking)}.")
    if lacking and _install(python, [*wanted, *TOOLS, *(PEERS[module] for module in lacking)]):
        # One that cannot be installed must not keep the others out.
        for module in lacking:
            why = _install(python, [*wanted, *TOOLS, PEERS[module]])
            if why:
                say(f"{PEERS[module]} cannot be installed here and is left out: {why}")
    return python


def _lacking(python: Path) -> list[str]:
    known = (
        "import sys, importlib.util as u; print(*[m for m in sys.argv[1:] if not u.find_spec(m)])"
    )
    return _run([str(python), "-c", known, *PEERS]).stdout.split()


def _install(python: Path, packages: list[str]) -> str:
    """Why the packages could not be installed, "" if they are."""
    done = subprocess.run(
        [_uv(), "pip", "install", "--quiet", "--python", str(python), *packages],
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else " ".join(done.stderr.split())[:300]


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise SystemExit("Benchmarks install their peers with uv: pip install uv, then try again.")
    return found


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=True)
