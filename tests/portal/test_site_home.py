"""A site's home: what it counts, for whom, and what it asks the database."""

from __future__ import annotations

from datetime import date, timedelta

import pandas as pd
import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from analysis.models import RunTable
from analysis.plots.enrolment import enrolment_figure
from analysis.services import told_verdicts
from cohorts.consent_state import GAPS, in_gap, state_of
from cohorts.models import (
    ConsentForm,
    Membership,
    Participant,
    Query,
    Sample,
    Shipment,
    ShippedTube,
    Withdrawal,
)
from cohorts.site_home import Enrolment, enrolment_of, home_of, quality_of, tubes_of
from tests.factories import (
    SCOPES,
    AssayBatchFactory,
    ConsentFactory,
    ParticipantFactory,
    SampleFactory,
    SiteFactory,
    UploadFactory,
    user_with,
)
from tests.portal import books

pytestmark = pytest.mark.django_db
TODAY = date(2026, 6, 30)


def test_consent_is_told_apart_by_what_is_in_its_way():
    site = SiteFactory(code="FUK")

    def form(version, until):
        return ConsentForm.objects.create(site=site, version=version, valid_until=until)

    def signed(code, **said):
        return ConsentFactory(participant__site=site, participant__code=code, **said).participant

    ParticipantFactory(site=site, code="NONE")
    signed("GOOD")
    signed("ENDS", form=form("1", TODAY + timedelta(days=20)))
    signed("OVER", form=form("2", TODAY - timedelta(days=1)))
    signed("LESS", scopes=["store_samples"])
    gone = signed("GONE")
    Withdrawal.objects.create(participant=gone, level=3, effective_on=TODAY)
    # The later of two consents counts, not the wider one.
    person = signed("LATE")
    ConsentFactory(participant=person, signed_on=date(2025, 1, 1), scopes=["store_samples"])
    second = ParticipantFactory(site=site, code="TWIN")
    Participant.objects.filter(pk=second.pk).update(merged_into=person)
    found = state_of(site, TODAY)
    assert (found.total, found.usable, found.lapsing) == (7, 2, 1)
    assert (found.without, found.lapsed, found.lacking, found.withdrawn) == (2, 1, 2, 1)
    people = Participant.objects.filter(site=site).order_by("code")
    codes = {
        gap: list(in_gap(people, gap, site, TODAY).values_list("code", flat=True)) for gap in GAPS
    }
    assert codes == {
        "without": ["NONE", "OVER"],
        "lacking": ["LATE", "LESS"],
        "withdrawn": ["GONE"],
    }


def test_tubes_are_told_apart_by_where_they_are():
    here, there = books.two_sites()
    person = ParticipantFactory(site=here)
    for status in ("stored", "in_transit", "blocked", "used_up", "destroyed"):
        SampleFactory(participant=person, status=status)
    SampleFactory(participant=person, held_at=there)
    SampleFactory(participant__site=there, held_at=here)
    sent = Shipment.objects.create(
        from_site=there, to_site=here, courier="C", sent_at=timezone.now()
    )
    tube = SampleFactory(participant__site=there, status="in_transit")
    ShippedTube.objects.create(shipment=sent, sample=tube)
    found = tubes_of(here)
    assert (found.total, found.stored, found.away, found.in_transit) == (6, 1, 1, 1)
    assert (found.blocked, found.spent, found.guests) == (1, 2, 1)
    assert (found.coming, found.shipments_coming) == (1, 1)


def test_values_below_detection_are_not_missing_and_handling_is_counted():
    site = SiteFactory()
    counts = {"measured": 90, "below_lod": 8, "missing": 2}
    upload = UploadFactory(site=site, report={"summary": counts})
    AssayBatchFactory.create_batch(2, site=site, upload=upload)  # one table, two batches
    voided = UploadFactory(site=site, report={"summary": counts})
    AssayBatchFactory(site=site, upload=voided, status="voided", void_reason="mixed up")
    drawn = timezone.now()
    person = ParticipantFactory(site=site)
    SampleFactory(participant=person, collected_at=drawn, spun_at=drawn + timedelta(hours=3))
    SampleFactory(participant=person, collected_at=drawn, spun_at=drawn + timedelta(hours=1))
    SampleFactory(participant=person, haemolysis_index=80, freeze_thaws=3, light_protected=False)
    found = quality_of(site)
    assert (found.batches, found.measured, found.below_lod, found.missing) == (2, 90, 8, 2)
    assert dict(found.flags) == {"late_spin": 1, "haemolysed": 1, "light": 1, "thawed_often": 1}
    assert (found.tubes, found.without_times) == (3, 1)


def test_enrolment_is_held_against_an_even_pace():
    site = SiteFactory(
        target_participants=100, target_from=date(2026, 1, 1), target_until=date(2026, 12, 31)
    )
    for month, n in ((1, 2), (3, 1)):
        ParticipantFactory.create_batch(n, site=site, enrolled_on=date(2026, month, 9))
    found = enrolment_of(site, TODAY)
    assert (found.n, found.due, found.behind) == (3, 49, 46)
    assert [(row.new, row.total, row.planned) for row in found.by_month()] == [
        (1, 3, 25),
        (2, 2, 9),
    ]
    drawn = enrolment_figure(found)
    assert "Participants enrolled since 2026-01: 3, of 100 by 2026-12-31" in drawn
    assert "style=" not in drawn
    assert enrolment_figure(Enrolment((), (), None, None, None, TODAY)) == ""


def test_the_api_has_the_numbers_of_the_drawing_and_says_when_they_are_the_same(client):
    span = {"target_from": date(2026, 1, 1), "target_until": date(2026, 12, 31)}
    site = SiteFactory(code="FUK", target_participants=10, **span)
    ParticipantFactory.create_batch(2, site=site, enrolled_on=date(2026, 1, 9))
    client.force_login(user_with("SC", site))
    told = client.get("/api/v1/sites/FUK/enrolment")
    (month,) = told.json()["months"]
    assert month == {"month": "2026-01-01", "new": 2, "total": 2, "planned": 1}
    known = {"if-none-match": told["ETag"]}
    assert client.get("/api/v1/sites/FUK/enrolment", headers=known).status_code == 304
    ParticipantFactory(site=site, enrolled_on=date(2026, 2, 9))
    assert client.get("/api/v1/sites/FUK/enrolment", headers=known).json()["n"] == 3


def test_who_reads_people_elsewhere_only_is_told_no_enrolment_of_a_site_of_tubes(client):
    site, other = books.two_sites()
    user = user_with("LT", site)
    Membership.objects.create(user=user, site=other, role="SC")
    client.force_login(user)
    assert client.get("/api/v1/sites/TYO/enrolment").status_code == 200
    assert client.get("/api/v1/sites/FUK/enrolment").status_code == 403


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ({"target_participants": 10}, "write all three, or none"),
        (
            {
                "target_participants": 10,
                "target_from": date(2026, 5, 1),
                "target_until": date(2026, 5, 1),
            },
            "ends before it begins",
        ),
    ],
)
def test_half_a_target_is_refused(target, words):
    site = SiteFactory()
    for name, value in target.items():
        setattr(site, name, value)
    with pytest.raises(ValidationError, match=words):
        site.full_clean()


def test_a_laboratory_sees_tubes_and_no_people():
    site, _ = books.two_sites()
    home = home_of(site, user_with("LT", site))
    assert home.enrolment is None
    assert home.consent is None
    assert home.tubes is not None
    assert home.quality is not None


def pairs_at_fukuoka(browse, site):
    page = browse(user_with("SC", site)).get("/sites/FUK/")
    return page, [(pair.own, pair.pooled) for pair in page.context["beside"][0]["pairs"]]


def test_a_site_reads_its_own_effect_beside_the_pooled_one_of_three(browse):
    site, _ = books.two_sites()
    run = books.concluded(books.run_of(books.followed_plan()))
    third = books.effects().iloc[[1]].assign(site="OSL")
    together = pd.concat([books.effects(), third], ignore_index=True)
    pooled = books.pooled().assign(sites="FUK;OSL;TYO", n_sites=3, n_case=69, n_control=72)
    for name, frame in (("effects", together), ("pooled", pooled)):
        RunTable.objects.filter(run=run, name=name).delete()
        RunTable.of(run, name, frame).save()
    page, pairs = pairs_at_fukuoka(browse, site)
    assert pairs == [("+0.50", "+0.41")]
    assert "FUK beside all sites: kyushu-2022" in page.text
    assert f"/runs/{run.pk}/?feature=ornithine" in page.text
    drawn = page.context["beside"][0]["wide"]
    assert "ornithine, everybody: FUK +0.50 (+0.06 to +0.94); All sites +0.41" in drawn
    assert f"/api/v1/runs/{run.pk}/effects?site=FUK" in page.text


def test_a_pooled_effect_that_would_give_the_other_site_away_is_not_shown(browse):
    site, _ = books.two_sites()
    books.concluded(books.run_of(books.followed_plan()))
    page, pairs = pairs_at_fukuoka(browse, site)
    assert pairs == [("+0.50", "")]
    assert "+0.41" not in page.text


def test_the_start_page_judges_the_verdicts_of_a_run_once(browse, monkeypatch):
    site, _ = books.two_sites()
    books.concluded(books.run_of(books.followed_plan()))
    asked, told = [], told_verdicts._told
    monkeypatch.setattr(
        told_verdicts, "_told", lambda runs, *more: asked.extend(runs) or told(runs, *more)
    )
    page = browse(user_with("SC", site)).get("/")
    assert page.context["beside"]
    assert page.context["newest"][0]["claims"]
    assert len(asked) == 1


def test_a_site_home_asks_as_often_for_many_people_as_for_few(browse):
    site, _ = books.two_sites()
    client = browse(user_with("SC", site))

    def n_queries(address):
        with CaptureQueriesContext(connection) as asked:
            assert client.get(address).status_code == 200
        return len(asked)

    def add(n):
        for person in ParticipantFactory.create_batch(n, site=site):
            ConsentFactory(participant=person, scopes=SCOPES[:1])
            ParticipantFactory(site=site)
            tube = SampleFactory(participant=person)
            Query.objects.create(site=site, sample=tube, rule="walk", text="Which tube?")

    add(1)
    few = {address: n_queries(address) for address in ("/", "/sites/FUK/")}
    add(10)
    assert {address: n_queries(address) for address in few} == few
    assert max(few.values()) <= 45
    assert Sample.objects.count() == 11
