"""Types and style, as strict as STYLE of the project asks; a silenced line says why."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("analysis", "cohorts", "hikiproject", "manage.py")


def run(*words):
    return subprocess.run(
        [sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, timeout=300
    )


@pytest.mark.parametrize("words", [("ruff", "check"), ("ruff", "format", "--check")], ids=" ".join)
def test_style(words):
    ended = run(*words, *SOURCES, "tests")
    assert ended.returncode == 0, ended.stdout


def test_types():
    ended = run("mypy", *SOURCES)
    assert ended.returncode == 0, ended.stdout


def test_a_fault_of_type_would_be_found(tmp_path):
    faulty = tmp_path / "faulty.py"
    faulty.write_text("def n() -> int:\n    return 'one'\n")
    assert "[return-value]" in run("mypy", "--strict", str(faulty)).stdout


def test_a_silenced_line_says_why():
    unexplained = [
        f"{path.relative_to(ROOT)}:{number}"
        for folder in SOURCES[:3]
        for path in (ROOT / folder).rglob("*.py")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"# (noqa|type: ignore)(: ?[A-Z0-9, ]+|\[[a-z, -]+\])?$", line)
        and "migrations" not in path.parts
    ]
    assert not unexplained


BLOCKS = re.compile(
    r"<(?:div|section|header|p|ul|ol|li|dl|dt|dd|table|thead|tbody|tr|th|td|h[1-6]|form|fieldset|figure|details)\b"
)


def crowded(template: str) -> list[str]:
    """Lines that nobody reads: long ones that hold several parts of the page."""
    return [
        line for line in template.splitlines() if len(line) > 130 and len(BLOCKS.findall(line)) > 1
    ]


def test_templates_are_laid_out_to_be_read():
    pages = {path: crowded(path.read_text("utf-8")) for path in ROOT.glob("templates/**/*.html")}
    assert {path.name: lines for path, lines in pages.items() if lines} == {}


def test_a_page_on_one_line_would_be_found():
    cells = "<tr>" + "<td>{{ value|default_if_none:'' }}</td>" * 4 + "</tr>"
    assert crowded(cells) == [cells]
