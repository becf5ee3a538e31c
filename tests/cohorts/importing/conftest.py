"""The folder of a study of two towns."""

from __future__ import annotations

import pytest

from tests.cohorts.importing.study_folder import (
    FEATURES,
    NORTH,
    PEOPLE,
    SOUTH,
    TOML,
    write,
)


@pytest.fixture
def folder(tmp_path, reference):
    write(tmp_path, "study.toml", TOML)
    write(tmp_path, "people.csv", PEOPLE)
    write(tmp_path, "north.csv", NORTH)
    write(tmp_path, "south.csv", SOUTH)
    write(tmp_path, "features.csv", FEATURES)
    return tmp_path
