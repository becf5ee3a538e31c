"""A run that was published before an erasure: its numbers stay, its inputs do not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from analysis.models import Run, RunTable, Snapshot, Verdict
from analysis.services import changes, erasures, release, reproduction, results, runs
from cohorts.models import AssayRow, Participant
from cohorts.services import consent
from cohorts.services.erasing import erasure
from tests.factories import user_with


def run_now(plan):
    run = runs.request(plan, cause="test")
    runs.execute(run.pk)
    return Run.objects.select_related("plan", "snapshot").get(pk=run.pk)


@pytest.fixture
def published(plan, consortium):
    return run_now(plan)


@pytest.fixture
def person(published):
    return Participant.objects.filter(site__code="FUK").first()


def erase(person):
    asked = erasure.request(person.pk, by=user_with("SC", person.site))
    erasure.approve(asked.pk, by=user_with("SD", person.site))
    assert erasures.execute_due(timezone.now() + timedelta(hours=25)) == 1


def numbers(run):
    tables = RunTable.objects.filter(run=run).order_by("name")
    return (
        [bytes(table.parquet) for table in tables],
        list(Verdict.objects.filter(run=run).values()),
        list(run.documents.order_by("name").values("name", "data")),
    )


def test_a_published_run_keeps_its_numbers_and_says_who_left(published, person):
    before = numbers(published)
    assert results.run_facts(published)["later_withdrawn"] == 0
    erase(person)
    published = Run.objects.select_related("plan", "snapshot").get(pk=published.pk)
    assert numbers(published) == before
    assert results.run_facts(published)["later_withdrawn"] == 5  # rounded up: one or a few


def test_a_withdrawal_from_further_use_marks_the_run_too(published, person):
    consent.withdraw(person.pk, level=3, by=None)
    assert results.run_facts(published)["later_withdrawn"] == 5


def test_an_analyst_is_told_nobody_and_a_few_alike(published, person):
    erase(person)
    run = Run.objects.select_related("plan", "snapshot").get(pk=published.pk)
    assert release.facts_for(results.run_facts(run), user_with("CA"))["later_withdrawn"] is None


def test_the_person_is_in_no_snapshot_any_more(published, person):
    rows = set(AssayRow.objects.filter(sample__participant=person).values_list("pk", flat=True))
    before = Snapshot.objects.get()
    assert rows & set(before.assay_row_ids)
    erase(person)
    after = Snapshot.objects.get()
    assert after.participant_ids == [pk for pk in before.participant_ids if pk != person.pk]
    assert after.assay_row_ids == [pk for pk in before.assay_row_ids if pk not in rows]
    assert (after.later_erased, after.digest) == (1, before.digest)


def test_reproduce_refuses_a_run_of_somebody_who_was_erased(published, person):
    erase(person)
    run = Run.objects.select_related("plan", "snapshot").get(pk=published.pk)
    with pytest.raises(reproduction.NotReproducible, match="1 of its participants were erased"):
        reproduction.reproduce(run)


def test_the_run_that_replaces_it_is_held_back_for_one_person(plan, published, person):
    """Else the two releases could be subtracted to see whoever was erased."""
    erase(person)
    held = run_now(plan)
    assert person.pk not in held.snapshot.participant_ids
    assert published.released_at is not None
    assert held.released_at is None


def test_the_changes_of_a_run_still_count_who_was_erased(plan, published, person):
    erase(person)
    told = changes.changes_for(run_now(plan), Run.objects.get(pk=published.pk), user_with("CD"))
    assert told["participants"] == [{"site": None, "n_in": 0, "n_out": 1}]


def test_the_words_of_a_run_lose_the_code(published, person):
    words = [
        {"site": "FUK", "what": "question", "n": 1, "why": f"{person.code} and Q agree"},
        {"site": "TYO", "what": "question", "n": 1, "why": f"{person.code}9 and Q agree"},
    ]
    Run.objects.filter(pk=published.pk).update(left_out=words, cause=f"table {person.code}.csv")
    erase(person)
    published.refresh_from_db()
    assert published.cause == "table [erased].csv"
    assert published.left_out == [words[0] | {"why": "[erased] and Q agree"}, words[1]]


def test_an_erasure_whose_file_cannot_be_written_keeps_no_other_waiting(
    published, person, monkeypatch
):
    other = Participant.objects.filter(site__code="TYO").first()
    for each in (person, other):
        asked = erasure.request(each.pk, by=user_with("SC", each.site))
        erasure.approve(asked.pk, by=user_with("SD", each.site))
    execute = erasure.execute

    def failing_first(erasure_id, *, at):
        removed = execute(erasure_id, at=at)
        if removed.participant_id == person.pk:
            raise OSError("no space left on device")
        return removed

    monkeypatch.setattr(erasure, "execute", failing_first)
    assert erasures.execute_due(timezone.now() + timedelta(hours=25)) == 1
    assert Participant.objects.filter(pk=person.pk).exists()
    assert not Participant.objects.filter(pk=other.pk).exists()
