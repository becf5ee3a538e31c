"""A run's tables are judged once for the pages that ask again, and never for another reader."""

import pandas as pd
import pytest

from analysis.services import release, results
from analysis.services.disclosure import judged_tables
from tests.analysis.test_disclosure_attack import a_consortium
from tests.analysis.test_streamed_tables import a_run
from tests.factories import user_with

pytestmark = pytest.mark.django_db
SMALL, LARGE, TOO_LARGE = {}, {"SMALL_BYTES": 0}, {"SMALL_BYTES": 0, "LARGE_BYTES": 1}


@pytest.fixture
def judgements(monkeypatch):
    """A list that grows with each time the rules are applied."""
    found = []
    judge = judged_tables.judge
    monkeypatch.setattr(
        judged_tables, "judge", lambda *args, **kwargs: found.append(1) or judge(*args, **kwargs)
    )
    return found


@pytest.mark.parametrize(("limits", "times"), [(SMALL, 1), (LARGE, 1), (TOO_LARGE, 3)])
def test_tables_of_any_size_that_is_kept_are_judged_once(monkeypatch, judgements, limits, times):
    for name, n_bytes in limits.items():
        monkeypatch.setattr(judged_tables, name, n_bytes)
    run, user = a_run(*a_consortium(5)), user_with("CA")
    for name in ("effects", "pooled", "effects"):
        results.table_for(run, name, user)
    assert len(judgements) == times


def test_another_reader_rule_or_table_is_judged_anew(monkeypatch, judgements, settings):
    effects, pooled = a_consortium(5)
    run, user = a_run(effects, pooled), user_with("CA")
    results.table_for(run, "effects", user)
    monkeypatch.setattr(release, "sites_of", lambda user: frozenset({"S1"}))
    results.table_for(run, "effects", user)
    assert len(judgements) == 2
    settings.DISCLOSURE_K = 1_000
    assert results.table_for(run, "effects", user)["estimate"].isna().all()
    results.table_for(a_run(effects.assign(estimate=1.0), pooled), "effects", user)
    assert len(judgements) == 4


def test_what_a_page_does_to_its_table_is_not_in_the_next(judgements):
    run, user = a_run(*a_consortium(5)), user_with("CA")
    before = results.table_for(run, "effects", user).copy()
    ours = results.table_for(run, "effects", user)
    ours["estimate"] = 7.0
    ours.loc[0, "reason"] = "mine"
    pd.testing.assert_frame_equal(results.table_for(run, "effects", user), before)
    assert len(judgements) == 1
