"""What a statistician reads of the core: each result is frozen, each function says what it does."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import analysis.stats

MODULES = {path.stem: path for path in sorted(Path(analysis.stats.__path__[0]).glob("*.py"))}
# These count, choose or read; the papers are cited where something is estimated or tested.
WITHOUT_A_PAPER = {
    *(
        "adjustment",
        "batches",
        "combat_model",
        "location_scale",
        "moments",
        "small_study",
    ),  # ComBat
    *("design", "labels", "tables", "errors", "pieces", "orders", "families", "harmonise_refusals"),
    *("least_squares", "gathering", "mixed_effects", "newton"),  # algebra
    *("learners", "nested_folds", "site_folds", "pls", "pls_folds"),
    *("handling_records", "qc_samples"),
}


def parsed() -> Iterator[tuple[str, ast.stmt]]:
    for name, path in MODULES.items():
        for node in ast.parse(path.read_text()).body:
            yield name, node


def test_every_public_function_and_class_has_its_docstring():
    without = [
        f"{name}.{node.name}"
        for name, node in parsed()
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and not node.name.startswith("_")
        and not ast.get_docstring(node)
    ]
    assert without == []


def test_every_result_is_frozen():
    loose = [
        f"{name}.{node.name}"
        for name, node in parsed()
        if isinstance(node, ast.ClassDef)
        and any("dataclass" in ast.unparse(each) for each in node.decorator_list)
        and not any("frozen=True" in ast.unparse(each) for each in node.decorator_list)
    ]
    assert loose == []


@pytest.mark.parametrize("name", sorted(set(MODULES) - WITHOUT_A_PAPER - {"__init__"}))
def test_a_module_with_a_method_cites_where_it_comes_from(name):
    assert "doi:" in MODULES[name].read_text()


def test_no_module_is_said_to_lack_a_paper_that_has_one_or_is_gone():
    assert set(MODULES) >= WITHOUT_A_PAPER
    citing = {name for name in WITHOUT_A_PAPER if "doi:" in MODULES[name].read_text()}
    assert citing == set()
