"""A result whose inputs have changed says so, and a poll notices when that flips."""

from __future__ import annotations

import json
import re

import pytest
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from analysis.models import Claim, Plan, Run
from analysis.services import runs, staleness
from cohorts.models import Change
from tests.factories import user_with
from tests.page_source import flat
from tests.portal import books

pytestmark = pytest.mark.django_db


@pytest.fixture
def run(db):
    books.two_sites()
    one = books.concluded(books.run_of(books.followed_plan()))
    seen = Change.objects.newest(one.plan.study)
    Run.objects.filter(pk=one.pk).update(change_seen=seen)
    one.refresh_from_db()
    return one


def arrives(run, cause="20 rows", kind="assays"):
    site = run.plan.study.sites.order_by("code").first()
    return Change.objects.record(
        study=run.plan.study, site=site, kind=kind, counts={"rows": 20}, cause=cause
    )


def api(role):
    client = APIClient()
    client.force_authenticate(user_with(role))
    return client


def test_a_run_is_stale_from_the_next_change_on_and_says_which(run):
    manager = user_with("CD")
    assert staleness.told(run, manager) == {"stale": False, "stale_because": ""}
    change = arrives(run)
    arrives(run, cause="later")
    assert staleness.reason(run, manager) == f"Assays from {change.site.code}: 20 rows."


def test_an_analyst_reads_that_it_is_stale_and_nothing_of_whose_change_it_was(run):
    arrives(run, cause="P0001 withdrew", kind="withdrawal")
    assert staleness.reason(run, user_with("CA")) == staleness.IN_GENERAL


def test_a_later_run_that_found_all_as_before_makes_it_fresh_again(run):
    change = arrives(run)
    Run.objects.create(plan=run.plan, state="merged", same_as=run, change_seen=change.pk)
    assert staleness.reason(run, user_with("CD")) == ""


def test_a_newer_version_of_the_plan_makes_it_stale(run):
    Plan.objects.create(study=run.plan.study, name=run.plan.name, version=2, data=run.plan.data)
    assert staleness.reason(run, user_with("CA")) == "The plan has a newer version, 2."


def test_a_run_that_waits_is_not_stale(run):
    waiting = Run.objects.create(plan=run.plan)
    assert staleness.reason(waiting, user_with("CD")) == ""


@pytest.mark.parametrize("part", ["", "/pooled", "/claims"])
def test_the_etag_moves_once_when_staleness_flips_and_then_stays(run, part):
    client, address = api("CA"), f"/api/v1/runs/{run.pk}{part}"
    first = client.get(address)
    again = client.get(address, HTTP_IF_NONE_MATCH=first["ETag"])
    assert again.status_code == 304
    arrives(run)
    second = client.get(address, HTTP_IF_NONE_MATCH=first["ETag"])
    assert second.status_code == 200
    arrives(run)
    assert client.get(address, HTTP_IF_NONE_MATCH=second["ETag"]).status_code == 304


def test_standing_claims_say_that_their_run_is_stale(run):
    client = api("CA")
    fresh = client.get("/api/v1/claims")
    assert {row["stale"] for row in fresh.json()} == {False}
    arrives(run)
    stale = client.get("/api/v1/claims", HTTP_IF_NONE_MATCH=fresh["ETag"])
    assert stale.status_code == 200
    assert {row["stale_because"] for row in stale.json()} == {staleness.IN_GENERAL}


def test_pages_and_the_admin_show_it(client, run):
    client.force_login(user_with("CD"))
    assert 'id="stale"' not in client.get(f"/runs/{run.pk}/").content.decode()
    arrives(run)
    page = client.get(f"/runs/{run.pk}/").content.decode()
    assert "Stale: what it rests on has changed since." in page
    assert "20 rows." in page
    assert "stale" in client.get("/runs/").content.decode()
    assert "Stale" in client.get("/").content.decode()
    listed = client.get("/admin/analysis/run/").content.decode()
    assert "icon-yes" in listed


def test_the_page_says_whether_to_wait_for_another_run_to_look_or_to_ask(client, run):
    arrives(run)

    def follows(role):
        client.force_login(user_with(role))
        page = flat(client.get(f"/runs/{run.pk}/").content.decode())
        return re.search(r'id="stale">.*?</strong>(.*?)</p>', page)[1]

    assert follows("CD").endswith("20 rows. A new run is owed and starts by itself.")
    # The new one may be there and held back: an analyst is not told how few people have changed.
    assert follows("CA").endswith("is shown once the rules of release allow it.")
    failed = Run.objects.create(plan=run.plan, state="failed", failure="The worker died.")
    assert "ended without a result; the next one starts when something changes" in follows("CD")
    failed.delete()
    Plan.objects.update(followed=False)
    assert follows("CD").endswith("is not followed: it runs again when somebody asks for it.")
    newer = books.concluded(books.run_of(run.plan))
    assert newer.published_at > run.published_at
    assert follows("CD").endswith("A newer run of the plan has replaced it.")


def test_plots_and_the_page_of_a_claim_say_it_with_the_reason(client, run):
    client.force_login(user_with("CD"))
    code = run.verdicts.order_by("claim__code").first().claim.code
    pages = [f"/runs/{run.pk}/plots/", f"/claims/{code}/"]
    assert not any("Stale" in client.get(page).content.decode() for page in pages)
    change = arrives(run)
    for page in pages:
        assert f"Assays from {change.site.code}: 20 rows." in client.get(page).content.decode()


def test_an_edited_claim_makes_the_runs_that_judged_it_stale_and_is_judged_anew(client, run):
    client.force_login(user_with("CD"))
    claim = Claim.objects.get(code="K22-2")
    before = runs.run_key(run.plan, run.snapshot)
    fields = ("code", "study_id", "kind", "marker", "matrix", "stratum", "direction", "doi")
    sent = {name.removesuffix("_id"): getattr(claim, name) for name in fields}
    sent |= {"markers": "ornithine", "other_readings": "women,men", "citation": claim.citation}
    where = f"/admin/analysis/claim/{claim.pk}/change/"
    sent |= {"why_edited": "The release is read again."}
    answer = client.post(where, sent | {"scope_note": "The release reads it in both sexes."})
    assert answer.status_code == 302, answer.context["adminform"].form.errors
    claim.refresh_from_db()
    assert claim.other_readings == ["women", "men"]
    assert "claim K22-2" in staleness.reason(run, user_with("CD"))
    assert runs.run_key(run.plan, run.snapshot) != before
    for wrong, words in (
        ({"direction": "none"}, "A claim on a marker says higher or lower"),
        ({"stratum": "boys"}, "The stratum boys is unknown; choose from all, men, women."),
        ({"other_readings": "men,boys"}, "The stratum boys is unknown"),
        ({"doi": "x"}, "A DOI begins with 10."),
        ({"why_edited": ""}, "This field is required."),
    ):
        faults = client.post(where, sent | wrong).context["adminform"].form.errors
        assert words in str(faults)
    history = client.get(where.replace("change", "history")).content.decode()
    assert "→ The release reads it in both sexes. | The release is read again." in history
    n_changes = Change.objects.count()
    saved_again = sent | {"scope_note": "The release reads it in both sexes."}
    saved_again |= {f"initial-{name}": sent[name] for name in ("markers", "other_readings")}
    assert client.post(where, saved_again).status_code == 302
    assert Change.objects.count() == n_changes, "nothing differs, so no plan has to run again"
    client.force_login(user_with("AD"))
    assert client.post(where, sent).status_code == 403


def said_by(command, capsys, *words):
    call_command(command, *words)
    return capsys.readouterr().out


def test_the_commands_say_that_a_run_is_stale_and_why(run, capsys):
    plan = run.plan.name
    assert "Stale" not in said_by("runs", capsys) + said_by("claims", capsys, "--plan", plan)
    change = arrives(run)
    why = f"Stale: Assays from {change.site.code}: 20 rows."
    assert why in said_by("runs", capsys)
    assert why in said_by("claims", capsys, "--plan", plan)
    (told,) = json.loads(said_by("runs", capsys, "--json"))
    assert (told["stale"], told["stale_because"]) == (True, why.removeprefix("Stale: "))


def test_the_list_of_runs_says_which_are_superseded(run, capsys):
    Run.objects.create(plan=run.plan, state="published", published_at=timezone.now())
    first, second = said_by("runs", capsys).splitlines()
    assert (first.split()[-1], second.split()[-1]) == ("held", "superseded")
