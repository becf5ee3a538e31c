"""The administrators see what waits and what failed, and set it going again."""

from __future__ import annotations

import re

import pytest
from django.utils import timezone

from analysis.models import Plan, Run
from analysis.services import freshness, queue
from cohorts.errors import NotAllowed
from cohorts.models import Assessment, Heartbeat, Instrument, RecordReading, Upload
from cohorts.services import pausing, uploads
from cohorts.services.pausing import SitePaused
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import ParticipantFactory, SiteFactory, StudyFactory, user_with
from tests.page_source import flat

pytestmark = pytest.mark.django_db
TABLE = SentTable("participants", b"participant,sex,group,enrolled_on\n", "p.csv", {})


@pytest.fixture
def failed():
    plan = Plan.objects.create(study=StudyFactory(), name="p", data={"case": ["a"], "control": []})
    return Run.objects.create(plan=plan, state="failed", failure="no age")


@pytest.fixture
def steward():
    return user_with("CD")


def act(client, model, action, *rows, **more):
    form = {"action": action, "_selected_action": [row.pk for row in rows], **more}
    return client.post(f"/admin/{model}/", form, follow=True).content.decode()


def test_the_first_page_says_what_waits_what_failed_and_what_runs(browse, steward, failed):
    Heartbeat.objects.create(name="sweep", finished_at=timezone.now())
    page = browse(steward).get("/admin/").content.decode()
    assert (
        '<a href="/admin/analysis/run/?state=failed">Runs that failed</a></th><td>1</td>'
        in flat(page)
    )
    assert page.count("Look at it") == 1
    for words in ("Runs that wait", "Last sweep came to its end", "Webhooks that fail", "Django"):
        assert words in page


def test_the_administrator_sees_the_numbers_without_the_way_to_the_runs(browse, failed):
    page = browse(user_with("AD")).get("/admin/").content.decode()
    assert "Runs that failed</th><td>1</td>" in flat(page)
    assert "/admin/analysis/run/" not in page


def test_a_failed_run_is_tried_again(browse, steward, failed, monkeypatch):
    rung = []
    monkeypatch.setattr(freshness, "ring", lambda *words, **_: rung.append(words))
    assert "is asked for again" in act(browse(steward), "analysis/run", "retry", failed)
    again = Run.objects.get(state="queued")
    assert again.cause == f"run {str(failed.pk)[:8]} is tried again by hand"
    assert rung == [("analysis.execute", str(again.pk))]
    with pytest.raises(queue.NotWaiting, match="only a failed or cancelled one is tried again"):
        queue.retry(again.pk, by=steward)
    with pytest.raises(NotAllowed, match="start runs"):
        queue.retry(failed.pk, by=user_with("AD"))


def offered_on(client, address):
    page = client.get(address).content.decode()
    return re.findall(r'name="action" value="(\w+)"', page), page


def test_a_record_offers_what_can_be_done_with_it_as_it_stands(browse, steward, failed):
    client, address = browse(steward), f"/admin/analysis/run/{failed.pk}/change/"
    acts, page = offered_on(client, address)
    assert acts == ["retry"]
    # What its form sends is what the list takes.
    assert f'name="_selected_action" value="{failed.pk}"' in page
    assert "Failed: no age" in client.get("/admin/analysis/run/").content.decode()
    Run.objects.filter(pk=failed.pk).update(state="queued", failure="")
    assert offered_on(client, address)[0] == ["put_first", "put_last", "cancel"]


def test_the_page_of_a_site_asks_why_it_is_paused(browse, steward):
    site = SiteFactory(code="FUK")
    client, address = browse(steward), f"/admin/cohorts/site/{site.pk}/change/"
    acts, page = offered_on(client, address)
    assert acts == ["pause"]
    assert 'name="because"' in page
    act(client, "cohorts/site", "pause", site, because="mixed up", index=0)
    acts, page = offered_on(client, address)
    assert acts == ["resume"]
    assert 'name="because"' not in page
    past = client.get(f"/admin/cohorts/site/{site.pk}/history/").content.decode()
    assert "<del>–</del> → <ins>mixed up</ins>" in past
    assert offered_on(browse(user_with("AD")), address)[0] == ["resume"]


def test_who_may_not_do_it_is_not_offered_it(browse, steward):
    instrument = Instrument.objects.create(
        code="HQ", version="1", title="HQ", n_items=1, item_min=0, item_max=4
    )
    address = f"/admin/cohorts/instrument/{instrument.pk}/change/"
    assert offered_on(browse(steward), address)[0] == ["rescore"]
    assert offered_on(browse(user_with("AD")), address)[0] == []


def test_no_table_of_a_paused_site_is_taken_and_its_sender_is_told_why(browse, steward):
    site = SiteFactory(code="FUK")
    client = browse(steward)
    assert "Say why" in act(client, "cohorts/site", "pause", site)
    told = act(client, "cohorts/site", "pause", site, because="The tubes were mixed up.")
    assert "FUK is paused." in told
    site.refresh_from_db()
    sentence = "Tables of FUK are not taken for now: The tubes were mixed up. The consortium's"
    with pytest.raises(SitePaused, match=sentence):
        uploads.receive(site, TABLE, by=None)
    assert not Upload.objects.exists()
    act(client, "cohorts/site", "resume", site)
    site.refresh_from_db()
    assert uploads.receive(site, TABLE, by=None).status == "received"


def test_a_site_does_not_pause_itself():
    site = SiteFactory(code="FUK")
    with pytest.raises(NotAllowed, match="data manager or the administrator pauses a site"):
        pausing.pause(site.pk, because="us", by=user_with("SD", site))


def test_scores_are_made_again(browse, steward):
    instrument = Instrument.objects.create(
        code="HQ", version="1", title="HQ", n_items=1, item_min=0, item_max=4
    )
    Assessment.objects.create(
        participant=ParticipantFactory(),
        instrument=instrument,
        assessed_on=timezone.localdate(),
        items=[3],
        score=99,
    )
    told = act(browse(steward), "cohorts/instrument", "rescore", instrument)
    assert "scores that have moved: 1" in told
    assert Assessment.objects.get().score == 3
    page = browse(steward).get(f"/admin/cohorts/assessment/{Assessment.objects.get().pk}/change/")
    assert "Scoring version:" in page.text


def test_who_opens_somebodys_record_is_on_record(browse, steward):
    person, client = ParticipantFactory(site=SiteFactory(code="FUK")), browse(steward)
    page = f"/admin/cohorts/participant/{person.pk}/change/"
    assert client.get(page).status_code == 200
    [entry] = RecordReading.objects.all()
    assert (entry.read_by, entry.site, entry.n_rows) == (steward, person.site, 1)
    assert entry.what == f"participant {person.pk} in the admin"
    client.get(f"/admin/cohorts/site/{person.site.pk}/change/")
    assert RecordReading.objects.count() == 1, "a site is nobody's record"
    assert entry.what in client.get("/admin/cohorts/recordreading/").content.decode()
