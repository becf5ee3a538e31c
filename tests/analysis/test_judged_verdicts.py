"""The rows that a verdict rests on are judged once, until a table of its run is written anew."""

import pytest

from analysis.models import Run, RunTable
from analysis.models.results import bits_of_rows
from analysis.services import release, told_verdicts
from tests.factories import user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def judgements(monkeypatch):
    """A list that grows with each time the rules are applied."""
    found = []
    judge = told_verdicts.hidden_rows.judge
    monkeypatch.setattr(
        told_verdicts.hidden_rows,
        "judge",
        lambda *args, **kwargs: found.append(1) or judge(*args, **kwargs),
    )
    return found


def estimates(run, user):
    return {row["claim"]: row["estimate"] for row in told_verdicts.verdicts_for(run, user)}


def test_who_asks_again_is_told_the_same_without_a_second_judgement(study, judgements):
    run, user = Run.objects.get(), user_with("CA")
    assert estimates(run, user) == estimates(run, user)
    assert len(judgements) == 1


def test_what_is_withheld_since_is_not_told(study, judgements):
    run, user = Run.objects.get(), user_with("CA")
    assert estimates(run, user)["K1"] is not None
    for table in RunTable.objects.filter(run=run, name__in=told_verdicts.PAIR):
        table.withheld = bits_of_rows(table.withheld_rows | True)
        table.save()
    assert estimates(run, user)["K1"] is None
    assert len(judgements) == 2


def test_another_reader_or_rule_is_judged_anew(study, judgements, monkeypatch, settings):
    run, user = Run.objects.get(), user_with("CA")
    told_verdicts.verdicts_for(run, user)
    monkeypatch.setattr(release, "sites_of", lambda user: frozenset({"FUK"}))
    told_verdicts.verdicts_for(run, user)
    settings.DISCLOSURE_K = 1_000
    assert set(estimates(run, user).values()) == {None}
    assert len(judgements) == 3
