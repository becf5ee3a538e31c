"""Every list of the admin asks the database equally often, however many rows it shows."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from analysis.models import Plan, WebhookAttempt, WebhookEndpoint, WebhookEvent, WebhookMessage
from cohorts import models
from cohorts.admin.samples import SampleAdmin
from cohorts.admin_site import site as admin_site
from cohorts.pages import CountedSoFar
from tests.access.world import World, a_run, furnish
from tests.factories import (
    AssayBatchFactory,
    FeatureFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    user_with,
)
from tests.page_source import flat

pytestmark = pytest.mark.django_db
# Rows that two sites and what belongs to them bring along; the rest is seeded below.
LEAST_MODELS_WITH_ROWS = 38


def more_of_everything(plan, number):
    """A site with a row of nearly everything, and what a run and a webhook leave behind."""
    here = SiteFactory(code=f"N{number:02}")
    furnish(World(), f"n{number}", here)
    somebody = user_with("SC", here)
    feature, batch = FeatureFactory(), AssayBatchFactory(site=here)
    batch.columns.create(feature=feature, position=0, source_name=feature.name, unit="uM")
    sample = models.Sample.objects.filter(site=here).first()
    batch.rows.create(sample=sample, label=sample.code, packed_values=b"\0" * 8, packed_flags=b"\0")
    models.FeatureAlias.objects.create(feature=feature, site=here, name="another")
    models.FeatureDecision.objects.create(
        kind="rename", feature=feature, old_name="o", decided_by=somebody, reason="seen"
    )
    models.RecordReading.objects.create(read_by=somebody, site=here, what="values", n_rows=1)
    models.SignInAttempt.objects.create(user=somebody, name_digest="x", address="127.0.0.1")
    run = a_run(plan, released=False)
    type(run).objects.filter(pk=run.pk).update(key=f"n{number}")
    endpoint = WebhookEndpoint.objects.create(
        user=somebody, url="https://example.org/", events=["run.released"]
    )
    event = WebhookEvent.objects.create(kind="run.released", run=run)
    message = WebhookMessage.objects.create(endpoint=endpoint, event=event, kind=event.kind)
    WebhookAttempt.objects.create(message=message, status=200, seconds=0.1)


def queries_by_list(client, listed):
    found = {}
    for model in listed:
        address = f"/admin/{model._meta.app_label}/{model._meta.model_name}/"
        with CaptureQueriesContext(connection) as asked:
            answer = client.get(address)
        if answer.status_code == 200:
            found[model._meta.label] = len(asked)
    return found


@pytest.fixture
def grown(browse):
    """A function: those lists that ask more often of five of everything than of two."""
    plan = Plan.objects.create(
        study=SiteFactory(code="N99").study, name="lists", data={"case": ["a"], "control": ["b"]}
    )

    def measure(listed):
        client = browse(user_with("CD"))
        first = 10 * models.Site.objects.count()
        for number in range(2):
            more_of_everything(plan, (first + number) % 89)
        few = queries_by_list(client, listed)
        for number in range(2, 5):
            more_of_everything(plan, (first + number) % 89)
        many = queries_by_list(client, listed)
        return {name: (few[name], many[name]) for name in few if many[name] > few[name]}

    return measure


def test_no_list_asks_once_a_row(grown):
    assert grown(admin_site._registry) == {}
    with_rows = [m for m in admin_site._registry if m._default_manager.count() > 1]
    assert len(with_rows) >= LEAST_MODELS_WITH_ROWS, len(with_rows)


def test_a_list_that_asks_once_a_row_is_noticed(grown, monkeypatch):
    monkeypatch.setattr(SampleAdmin, "list_select_related", False)
    monkeypatch.setattr(SampleAdmin, "list_display", ["code", "of"])
    told = lambda self, sample: sample.participant.code  # noqa: E731 - a column of the list
    monkeypatch.setattr(SampleAdmin, "of", told, raising=False)
    listed = [models.Participant, models.Sample]
    assert set(grown(listed)) == {"cohorts.Sample"}


def test_a_list_of_very_many_rows_is_not_counted_to_its_end(browse, monkeypatch):
    monkeypatch.setattr(CountedSoFar, "MOST", 3)
    monkeypatch.setattr(SampleAdmin, "list_per_page", 2)
    person = ParticipantFactory()
    for _ in range(3):
        SampleFactory(participant=person)
    client = browse(user_with("CD"))
    page = client.get("/admin/cohorts/sample/").content.decode()
    assert "More than" not in page
    assert "3 samples" in flat(page)
    for _ in range(2):
        SampleFactory(participant=person)
    with CaptureQueriesContext(connection) as asked:
        page = client.get("/admin/cohorts/sample/?p=2").content.decode()
    assert "More than 3 samples; choose or search to see those" in page
    assert "?p=3" not in page
    counts = [each["sql"] for each in asked if "COUNT(" in each["sql"]]
    assert len(counts) == 1
    assert "LIMIT 4" in counts[0]
