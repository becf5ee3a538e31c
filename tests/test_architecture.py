"""Imports run one way; the rooms of the house stay apart."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
APPS = ("cohorts", "analysis", "hikiproject")
# Inside an app: faces may use services, services may use models, never the other way round.
LEVELS = {
    "models": 1,
    "ingest": 0,
    "services": 2,
    "serializers": 3,
    "forms": 3,
    "api": 4,
    "views": 4,
    "admin": 4,
    "tasks": 4,
    "management": 5,
    "urls": 5,
    "urls_api": 5,
}
NUMERIC = {"numpy", "pandas", "scipy", "sklearn"}
# Django asks for these inside functions: an app is ready before its parts may be imported.
LATE_BY_DESIGN = {
    "analysis/apps.py",
    "hikiproject/apps.py",
    "hikiproject/settings.py",
    "cohorts/models/participant.py",
}


def sources(folder: str) -> list[Path]:
    return [path for path in (ROOT / folder).rglob("*.py") if "migrations" not in path.parts]


def imports(tree: ast.AST, *, for_types: bool = False) -> set[str]:
    """Modules that the code imports when it runs."""
    found: set[str] = set()
    for node in _running(tree) if not for_types else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _running(tree: ast.AST):
    """Every node outside `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        yield node
        yield from _running(node)


def uphill(path: str, modules: set[str]) -> list[str]:
    """Imports by which this file reaches above its place."""
    parts = Path(path).with_suffix("").parts
    app = parts[0]
    wrong = []
    for module in sorted(modules):
        target = module.split(".")
        if app == "cohorts" and target[0] == "analysis":
            wrong.append(module)
        elif parts[:2] == ("analysis", "stats"):
            ours = target[0] in APPS and target[:2] != ["analysis", "stats"]
            if ours or target[0] in ("django", "rest_framework", "celery"):
                wrong.append(module)
        elif parts[:2] == ("cohorts", "ingest") and target[0] in ("django", "rest_framework"):
            wrong.append(module)
        elif target[0] == app and len(target) > 1 and len(parts) > 1:
            own, other = LEVELS.get(parts[1]), LEVELS.get(target[1])
            if own is not None and other is not None and other > own:
                wrong.append(module)
    return wrong


@pytest.mark.parametrize("app", APPS)
def test_no_import_runs_uphill(app):
    wrong = {}
    for path in sources(app):
        name = path.relative_to(ROOT).as_posix()
        if found := uphill(name, imports(ast.parse(path.read_text(encoding="utf-8")))):
            wrong[name] = found
    assert not wrong


@pytest.mark.parametrize(
    ("path", "module"),
    [
        ("cohorts/services/uploads.py", "analysis.services.freshness"),
        ("cohorts/models/site.py", "cohorts.services.uploads"),
        ("analysis/stats/meta.py", "analysis.frames"),
        ("analysis/stats/meta.py", "django.conf"),
        ("cohorts/ingest/reading.py", "django.conf"),
        ("analysis/services/runs.py", "analysis.tasks.execute"),
    ],
)
def test_an_uphill_import_is_found(path, module):
    assert uphill(path, {module}) == [module]


def test_the_numerical_core_needs_numbers_only():
    allowed = NUMERIC | {"analysis"}
    for path in sources("analysis/stats"):
        tops = {name.split(".")[0] for name in imports(ast.parse(path.read_text()))}
        third_party = {top for top in tops if (ROOT / ".venv").exists() and _is_package(top)}
        assert third_party <= allowed, path


def _is_package(name: str) -> bool:
    import importlib.util

    spec = importlib.util.find_spec(name)
    return bool(spec and spec.origin and "site-packages" in spec.origin)


@pytest.mark.parametrize("app", ["cohorts", "analysis"])
def test_an_import_inside_a_function_is_named(app):
    hidden = {
        path.relative_to(ROOT).as_posix()
        for path in sources(app)
        for function in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(function, ast.FunctionDef)
        and any(
            isinstance(node, ast.ImportFrom) and str(node.module).split(".")[0] in APPS
            for node in ast.walk(function)
        )
    }
    assert hidden <= LATE_BY_DESIGN


def test_only_settings_and_the_bootstrap_read_the_environment():
    start_up = {"settings.py", "bootstrap.py", "state.py", "tether.py", "chromium.py", "testing.py"}
    start_up |= {"processes.py", "embedded.py", "keeper.py", "servers.py"}
    readers = {
        path.name
        for app in APPS
        for path in sources(app)
        if "os.environ[" in path.read_text() or "os.environ.get" in path.read_text()
    }
    assert readers <= start_up


LOCKS_A_KEY = re.compile(r"\b(?:Site|Study)\.objects\.select_for_update\((?![^\n]*no_key=True)")


def test_a_locked_site_or_study_can_still_be_referred_to():
    """A row that refers to it would wait, and who publishes holds what uploads wait for."""
    assert LOCKS_A_KEY.search("Site.objects.select_for_update().get(pk=1)")
    assert not LOCKS_A_KEY.search('Site.objects.select_for_update(of=("self",), no_key=True)')
    found = [path.name for path in sources("cohorts") if LOCKS_A_KEY.search(path.read_text())]
    assert found == []


def test_there_is_no_drawer_for_odds_and_ends():
    assert not [
        path for app in APPS for path in sources(app) if path.stem in ("utils", "helpers", "misc")
    ]


def test_no_file_holds_two_subjects():
    long = {
        path.relative_to(ROOT).as_posix(): n
        for app in APPS
        for path in sources(app)
        if (n := len(path.read_text(encoding="utf-8").splitlines())) > 400
    }
    assert not long


def tried_once(source: str) -> list[str]:
    """Services that people call, whose transaction nobody would try again."""
    return [
        node.name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and any(ast.unparse(each) == "transaction.atomic" for each in node.decorator_list)
    ]


def test_a_service_that_meets_another_transaction_is_tried_again():
    once = {path.name: tried_once(path.read_text("utf-8")) for path in _services()}
    assert {name: found for name, found in once.items() if found} == {}
    assert tried_once("@transaction.atomic\ndef merge(): ...") == ["merge"]


def _services() -> list[Path]:
    return [path for app in APPS for path in sources(f"{app}/services")]
