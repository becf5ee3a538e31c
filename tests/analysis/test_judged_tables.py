"""The rules are applied once to the tables of a run, however often its pages are read."""

from __future__ import annotations

import pytest

from analysis.models import RunTable
from analysis.services import results
from analysis.services.disclosure import judged_tables
from cohorts.models import Site
from tests.factories import user_with
from tests.portal import books

pytestmark = pytest.mark.django_db


@pytest.fixture
def judgements(monkeypatch):
    """Tables that were judged, and not remembered."""
    judge, seen = judged_tables.judge, []
    monkeypatch.setattr(judged_tables, "judge", lambda *a, **k: seen.append(k) or judge(*a, **k))
    return seen


@pytest.fixture
def run():
    books.two_sites()
    return books.concluded(books.run_of(books.followed_plan()))


def test_pages_that_ask_again_are_answered_alike_from_one_judgement(run, judgements):
    analyst = user_with("CA")
    first = results.table_for(run, "pooled", analyst)
    first["estimate"] = 99.0  # what a page does with its table is its own
    again = results.table_for(run, "pooled", analyst)
    assert len(judgements) == 1
    assert again["estimate"].tolist() == [0.41]


def test_another_reader_another_k_another_table_are_judged_anew(run, judgements, settings):
    results.table_for(run, "effects", user_with("CA"))
    results.table_for(run, "effects", user_with("SD", Site.objects.get(code="FUK")))
    settings.DISCLOSURE_K = 24
    assert results.table_for(run, "effects", user_with("CA"))["estimate"].isna().any()
    RunTable.objects.filter(run=run, name="effects").delete()
    RunTable.of(run, "effects", books.effects(n_case=3)).save()
    settings.DISCLOSURE_K = 10
    assert results.table_for(run, "effects", user_with("CA"))["estimate"].isna().any()
    assert [said["k"] for said in judgements] == [10, 10, 24, 10]
