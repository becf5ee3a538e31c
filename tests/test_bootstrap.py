"""From a bare Python to a running command: what bootstrap.py refuses, repairs and passes on."""

import ast
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hikiproject import bootstrap

REQUIREMENTS = "uv==0.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\nother==1\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project folder of two requirement files, whose packages are never really installed."""
    (tmp_path / "requirements.txt").write_text(REQUIREMENTS)
    (tmp_path / "requirements-test.txt").write_text("pytest==1\n")
    monkeypatch.setattr(bootstrap, "BASE", tmp_path)
    return tmp_path


@pytest.fixture
def installs(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The calls of `install`, each the names of its files; a pause lets others come between."""
    calls: list[list[str]] = []

    def install(venv: Path, files: list[Path]) -> None:
        calls.append([file.name for file in files])
        time.sleep(0.2)

    monkeypatch.setattr(bootstrap, "install", install)
    return calls


@pytest.fixture
def creations(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders for which an environment was made; a link to our Python stands for it."""
    made: list[Path] = []

    def create(venv: Path) -> None:
        made.append(venv)
        (venv / "bin").mkdir(exist_ok=True)
        (venv / "bin" / "python").symlink_to(sys.executable)

    monkeypatch.setattr(bootstrap, "_create", create)
    return made


def files(project: Path, *names: str) -> list[Path]:
    return [project / name for name in names or ("requirements.txt",)]


def test_bootstrap_and_what_it_imports_first_need_the_standard_library_only():
    code = "import sys; sys.path.insert(0, '.'); from hikiproject import bootstrap; print('ok')"
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code],
        cwd=Path(bootstrap.__file__).parent.parent, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout == "ok\n", done.stderr


def test_an_old_python_can_read_bootstrap_and_gets_a_sentence(monkeypatch, capsys):
    ast.parse(Path(bootstrap.__file__).read_text(), feature_version=(3, 8))
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit) as refused:
        bootstrap.enter(["manage.py", "demo"])
    assert refused.value.code == 1
    assert "needs Python 3.11 or newer" in capsys.readouterr().err


def test_the_second_start_installs_nothing(project, installs, creations):
    venv = project / ".venv"
    bootstrap.make(venv, files(project))
    assert bootstrap.is_ready(venv, files(project))
    bootstrap.make(venv, files(project))
    assert installs == [["requirements.txt"]]


def test_a_changed_requirement_is_installed_and_test_packages_stay(project, installs, creations):
    venv = project / ".venv"
    both = files(project, "requirements.txt", "requirements-test.txt")
    bootstrap.make(venv, both)
    assert bootstrap.is_ready(venv, files(project)), "the tests' environment serves all commands"
    (project / "requirements.txt").write_text(REQUIREMENTS + "new==2\n")
    bootstrap.make(venv, files(project))
    assert installs == [["requirements.txt", "requirements-test.txt"]] * 2
    assert creations == [venv], "renewed in place"


def test_a_half_made_environment_is_made_anew(project, installs, creations, monkeypatch):
    venv = project / ".venv"

    def broken(venv: Path, files: list[Path]) -> None:
        (venv / "half").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(bootstrap, "install", broken)
        with pytest.raises(KeyboardInterrupt):
            bootstrap.make(venv, files(project))
    assert not bootstrap.is_ready(venv, files(project))
    bootstrap.make(venv, files(project))
    assert bootstrap.is_ready(venv, files(project))
    assert not (venv / "half").exists()


def test_an_environment_whose_python_is_gone_is_made_anew(project, installs, creations):
    venv = project / ".venv"
    bootstrap.make(venv, files(project))
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nonexistent/python")
    assert not bootstrap.is_ready(venv, files(project))
    bootstrap.make(venv, files(project))
    assert bootstrap.is_ready(venv, files(project))


def test_two_starts_at_once_make_one_environment(project, installs, creations):
    starts = [
        threading.Thread(target=bootstrap.make, args=(project / ".venv", files(project)))
        for _ in range(2)
    ]
    for start in starts:
        start.start()
    for start in starts:
        start.join()
    assert len(installs) == len(creations) == 1


def test_a_python_without_venv_is_told_the_package(project, monkeypatch, capsys):
    monkeypatch.setattr(bootstrap.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        bootstrap.make(project / ".venv", files(project))
    assert "apt-get install python3-venv" in capsys.readouterr().err


def test_a_failed_install_shows_both_tools_words_and_leaves_no_stamp(
    project, creations, monkeypatch, capsys
):
    def fail(command: list[object], environment: object = None) -> object:
        return subprocess.CompletedProcess(command, 1, "", f"{Path(str(command[2])).name} failed")

    monkeypatch.setattr(bootstrap, "_call", fail)
    with pytest.raises(SystemExit):
        bootstrap.make(project / ".venv", files(project))
    said = capsys.readouterr().err
    assert "pip said:" in said
    assert "PIP_INDEX_URL" in said
    assert not bootstrap.is_ready(project / ".venv", files(project))


def test_uv_is_pinned_with_its_hashes_like_everything_else(project):
    pin = "uv==0.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
    assert bootstrap.block(project / "requirements.txt", "uv") == pin


def test_pip_configuration_reaches_uv_and_the_environment_wins(monkeypatch):
    listing = (
        ":env:.index-url='https://mirror.example/simple'\n"
        "global.cert='/etc/ssl/site.pem'\n"
        "global.find-links='/a\\n/b'\n"
        "global.index-url='https://other.example/simple'\n"
    )
    done = subprocess.CompletedProcess([], 0, listing, "")
    monkeypatch.setattr(bootstrap, "_call", lambda command: done)
    monkeypatch.setenv("UV_FIND_LINKS", "/mine")
    for name in ("UV_DEFAULT_INDEX", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    told = bootstrap.uv_environment(Path("python"))
    assert told["UV_DEFAULT_INDEX"] == "https://mirror.example/simple"
    assert told["SSL_CERT_FILE"] == "/etc/ssl/site.pem"
    assert told["UV_FIND_LINKS"] == "/mine", "what the user told uv directly stands"


def test_children_compile_their_modules(monkeypatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    environment = bootstrap.clean_environment()
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert "PYTHONPATH" not in environment


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-test.txt"])
def test_every_pin_has_a_hash_and_no_file_names_a_place(name):
    text = (Path(bootstrap.__file__).parent.parent / name).read_text()
    pins = [line for line in text.splitlines() if line[:1].isalnum()]
    assert len(pins) > 20
    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


def test_a_read_only_checkout_gets_an_environment_in_the_users_own_folder(project, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    monkeypatch.setenv("XDG_DATA_HOME", "/home/someone/data")
    chosen = bootstrap.choose_folder(files(project))
    assert chosen.is_relative_to("/home/someone/data/hikiproject")
