"""The page of a claim: today's verdict first, since when it stands, and what turned it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from analysis.models import Claim, Plan, Verdict
from analysis.plots import verdict as verdict_figure
from analysis.services import histories, release
from analysis.views import claim_page
from tests.factories import user_with
from tests.portal import books

pytestmark = pytest.mark.django_db


def words_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


@pytest.fixture
def runs():
    """Three runs a day apart; the first was undecided."""
    books.two_sites()
    plan, now = books.followed_plan(), timezone.now()
    found = []
    for days in (3, 2, 1):
        at = now - timedelta(days=days)
        found.append(books.concluded(books.run_of(plan, published_at=at, released_at=at)))
    Verdict.objects.filter(run=found[0], claim__code="K22-2").update(verdict="undecided")
    return found


def standing(user):
    claim = Claim.objects.get(code="K22-2")
    (found,) = claim_page.standings_of(
        claim, histories.history_for(claim, histories.runs_for(claim, user), user), user
    )
    return found


def test_the_standing_verdict_tells_since_when_and_which_run_turned_it(runs):
    found = standing(user_with("CA"))
    assert found.reading.row["verdict"] == "replicated"
    assert (found.n_runs, found.since) == (2, runs[1].published_at.isoformat())
    assert (found.turn.run, found.turn.before) == (str(runs[1].pk), "undecided")
    assert "rules, plan or claim did" in str(found.turn.words)


def test_a_verdict_that_never_changed_has_no_turn(runs):
    Verdict.objects.filter(claim__code="K22-2").update(verdict="replicated")
    found = standing(user_with("CA"))
    assert (found.n_runs, found.turn, found.all_listed) == (3, None, True)


def test_a_followed_plan_speaks_before_one_that_was_asked_for_later(runs):
    plan = runs[0].plan
    asked = Plan.objects.create(study=plan.study, name="asked", data=plan.data, followed=False)
    books.concluded(books.run_of(asked))
    claim, user = Claim.objects.get(code="K22-2"), user_with("CD")
    found = claim_page.standings_of(
        claim, histories.history_for(claim, histories.runs_for(claim, user), user), user
    )
    assert [one.plan for one in found] == [plan.name, "asked"]


def test_sites_without_counted_people_are_told_without_noughts(client, runs):
    Verdict.objects.update(n_sites=2, n_case=0, n_control=0)
    client.force_login(user_with("CD"))
    said = words_of(client.get("/claims/K22-2/").content.decode())
    assert "2 sites · " in said
    assert "0 cases" not in said


def test_the_first_thing_on_the_page_is_what_the_verdict_means(client, runs):
    client.force_login(user_with("CA"))
    page = client.get("/claims/K22-2/").content.decode()
    said = words_of(page[page.index("<h1") :])
    order = ("replicated", "The sites find what was published.", "What changed it", "History")
    assert [said.index(words) for words in order] == sorted(said.index(words) for words in order)
    assert re.search(r"In cases higher by 0\.\d\d standard deviations", said)


def test_a_hidden_verdict_has_neither_a_drawing_nor_a_finding(client, runs):
    Verdict.objects.filter(run=runs[2], claim__code="K22-2").update(n_case=4)
    found = standing(user_with("CA"))
    assert found.reading.row["reason"] in release.HIDDEN
    assert (found.drawing, found.finding) == ("", "")


ROW = {"measure": "g", "estimate": -0.4, "ci_low": -0.6, "ci_high": -0.2}
ROW |= {"always_low": -0.8, "always_high": 0.1}


@pytest.mark.parametrize(("direction", "names"), [("lower", -1), ("higher", 1)])
def test_the_published_side_is_shaded_and_named(direction, names):
    side = verdict_figure.side_of("g", direction)
    drawn = str(verdict_figure.standing(ROW, side, None, "words"))
    zero = float(re.search(r'class="zero" x1="([\d.]+)"', drawn)[1])
    start = float(re.search(r'class="claimed" x="([\d.]+)"', drawn)[1])
    assert start == (zero if names > 0 else verdict_figure.LEFT)
    ordered = ["not as published", "as published"][::names]
    assert re.findall(r">([a-z ]*as published)<", drawn) == ordered


def test_one_run_alone_is_no_course():
    side = verdict_figure.side_of("g", "lower")
    assert verdict_figure.course([ROW], side, ["words"]) == ""
    assert str(verdict_figure.course([ROW, ROW], side, ["words"])).count('class="box"') == 2
