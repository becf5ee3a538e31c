"""A batch's QC is held against the study's limits; voiding it takes two people."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.exceptions import ValidationError

from analysis.stats.qc import qc_rsd_percent
from cohorts.errors import NotAllowed, RefusedHandling
from cohorts.models import (
    AcceptanceLimits,
    AssayBatch,
    AssayRow,
    BatchVoid,
    Change,
    DictionaryEdit,
    Query,
)
from cohorts.models.assay import pack_flags, pack_values
from cohorts.services import uploads
from cohorts.services.batches import batch_rules, voiding
from cohorts.services.batches.quality import report_of
from cohorts.services.features import dictionary_edits
from cohorts.services.tables.sent_tables import SentTable
from tests.factories import ConsentFactory, SampleFactory, SiteFactory, assayed_batch, user_with

pytestmark = pytest.mark.django_db
POOLS = np.array([[100.0, 100.0], [105.0, 20.0], [95.0, 180.0]])


@pytest.fixture
def batch(db):
    made = assayed_batch(
        SiteFactory(code="FUK"), np.ones((2, 2)), group=["a", "b"], features=["steady", "shaky"]
    )
    for order, values in enumerate(POOLS, start=1):
        put(made, "qc", values, order)
    put(made, "blank", [5.0, 80.0], 9)
    study = made.rows.filter(sample_type="study").first()
    AssayRow.objects.filter(pk=study.pk).update(packed_flags=pack_flags(np.array([0, 2])))
    return made


def put(batch, kind, values, order):
    AssayRow.objects.create(
        batch=batch,
        label=f"{kind}{order}",
        sample_type=kind,
        injection_order=order,
        packed_values=pack_values(np.asarray(values)),
        packed_flags=pack_flags(np.zeros(2)),
    )


def test_each_feature_is_held_against_the_studys_limits(batch):
    steady, shaky = report_of(batch).features
    assert (steady.rsd_percent, steady.blank_percent, steady.missing_percent) == (5.0, 5.0, 0.0)
    assert steady.fails == ()
    assert shaky.rsd_percent == pytest.approx(qc_rsd_percent(POOLS, np.full(3, True))[1], abs=0.01)
    assert [words.split(",")[0] for words in shaky.fails] == [
        "RSD of QC pools 80 %",
        "blank against QC 80 %",
        "missing 50 %",
    ]
    batch.site.study.qc_rsd_percent = 4
    assert len(report_of(batch).failing) == 2


def test_limits_of_the_platform_and_of_the_batch_go_before_the_studys(batch):
    said = {"study": batch.site.study, "reason": "the kit's manual"}
    AcceptanceLimits.objects.create(platform="lc-ms", rsd_percent=4, **said)
    report = report_of(batch)
    assert (report.limits.rsd, report.limits.blank) == (4, 30)
    assert (report.limits.of, len(report.failing)) == ("platform", 2)
    AcceptanceLimits.objects.create(batch=batch, rsd_percent=90, blank_percent=90, **said)
    report = report_of(batch)
    assert (report.limits.of, report.limits.rsd) == ("batch", 90)
    assert [len(each.fails) for each in report.features] == [0, 1]  # what is missing


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "of a platform or of one batch: name one"),
        ({"platform": "LC-MS", "rsd_percent": 0}, "a percentage above 0"),
        ({"platform": "LC-MS", "failing_percent": -1}, "a percentage above 0"),
    ],
)
def test_limits_that_cannot_be_are_refused(batch, said, words):
    limits = AcceptanceLimits(study=batch.site.study, reason="x", **said)
    with pytest.raises(ValidationError, match=words):
        limits.full_clean()


def test_a_batch_outside_its_limits_is_asked_about_until_it_is_within(batch):
    batch_rules.recheck(batch)
    query = Query.objects.get(rule="qc")
    assert query.text == (
        "1 of 2 features are over a limit of QC, 20 % may be: shaky. Is the batch to be used? "
        "No value was changed."
    )
    assert report_of(batch).accepted is False
    said = {"study": batch.site.study, "reason": "a first try of the method"}
    wider = AcceptanceLimits.objects.create(batch=batch, failing_percent=50, **said)
    batch_rules.recheck_held_to(wider)
    query.refresh_from_db()
    assert (query.state, query.closed_by) == ("closed", None)
    wider.delete()
    batch_rules.recheck_study(batch.site.study)
    batch.status, batch.void_reason = "voided", "wrong plate"
    batch.save()
    assert Query.objects.unsettled().filter(rule="qc").count() == 1
    batch_rules.recheck(batch)
    assert not Query.objects.unsettled().exists()


def test_a_batch_without_pools_and_blanks_is_not_judged(batch):
    batch.rows.exclude(sample_type="study").delete()
    batch_rules.recheck(batch)
    assert report_of(batch).accepted is None
    assert not Query.objects.exists()


def test_limits_proposed_in_the_admin_ask_anew_once_they_are_approved(batch, browse):
    page = browse(user_with("CD"))
    said = {"study": batch.site.study.pk, "platform": "LC-MS", "reason": "the kit's manual"}
    said |= {"rsd_percent": "4", "why_edited": "a new kit"}
    page.post("/admin/cohorts/acceptancelimits/add/", said)
    assert not Query.objects.exists()
    dictionary_edits.approve(DictionaryEdit.objects.get().pk, by=user_with("CD"))
    assert AcceptanceLimits.objects.get().rsd_percent == 4
    assert "2 of 2 features" in Query.objects.get(rule="qc").text


def test_an_analyst_reads_the_quality_of_enough_people_and_no_count_of_them(api, browse):
    made = assayed_batch(
        SiteFactory(code="FUK"), np.ones((12, 2)), group=["a"] * 12, features=["steady", "shaky"]
    )
    for order, values in enumerate(POOLS, start=1):
        put(made, "qc", values, order)
    for row in made.rows.filter(sample_type="study"):
        AssayRow.objects.filter(pk=row.pk).update(packed_flags=pack_flags(np.array([2, 0])))
    analyst = user_with("CA")
    api.force_authenticate(analyst)
    told = api.get(f"/api/v1/assay-batches/{made.pk}/qc").json()
    assert (told["n_study"], told["n_qc"]) == (10, 3)
    assert [each["missing_percent"] for each in told["features"]] == [None, None]
    assert [len(each["fails"]) for each in told["features"]] == [0, 1]
    page = browse(analyst)
    assert f"/batches/{made.pk}/" in page.get("/sites/FUK/batches/").content.decode()
    assert page.get(f"/batches/{made.pk}/").status_code == 200
    assert page.get(f"/batches/{made.pk}/values/").status_code == 404
    made.rows.filter(pk__in=made.rows.filter(sample_type="study").values("pk")[:3]).delete()
    assert api.get(f"/api/v1/assay-batches/{made.pk}/qc").status_code == 404
    assert page.get(f"/batches/{made.pk}/").status_code == 404


def test_a_limit_of_nothing_is_refused(batch):
    batch.site.study.qc_rsd_percent = 0
    with pytest.raises(ValidationError, match="a percentage above 0"):
        batch.site.study.full_clean()


def test_drift_is_the_median_of_all_features_by_injection(batch):
    assert report_of(batch).drift == ((1, 100.0), (2, 62.5), (3, 137.5))


def test_the_page_and_the_api_show_the_report(batch, browse, api):
    person = user_with("LT", batch.site)
    page = browse(person).get(f"/batches/{batch.pk}/").content.decode()
    assert "1 of 2 features are over a limit." in page
    assert "Level of 3 QC pools over the injection order" in page
    assert f"/batches/{batch.pk}/" in browse(person).get("/sites/FUK/batches/").content.decode()
    api.force_authenticate(person)
    told = api.get(f"/api/v1/assay-batches/{batch.pk}/qc").json()
    assert (told["n_qc"], told["features"][1]["blank_percent"]) == (3, 80.0)
    elsewhere = browse(user_with("LT", SiteFactory(code="OSA")))
    assert elsewhere.get(f"/batches/{batch.pk}/").status_code == 404


def test_one_asks_and_another_voids(batch, browse):
    asker, decider = user_with("LT", batch.site), user_with("SD", batch.site)
    here = f"/batches/{batch.pk}/"
    assert browse(asker).post(here, {"ask": "1", "reason": "wrong plate"}).status_code == 302
    assert AssayBatch.objects.accepted().filter(pk=batch.pk).exists()
    browse(asker).post(here, {"approve": "1"})
    assert AssayBatch.objects.accepted().filter(pk=batch.pk).exists()
    assert browse(decider).post(here, {"approve": "1"}).status_code == 302
    batch.refresh_from_db()
    assert (batch.status, batch.void_reason) == ("voided", "wrong plate")
    assert "is voided: wrong plate" in Change.objects.latest("pk").cause


def test_a_batch_that_is_kept_stays_in_use(batch):
    voiding.ask(batch.pk, reason="x", by=user_with("LT", batch.site))
    voiding.decide(batch.pk, approve=False, by=user_with("CD"))
    assert AssayBatch.objects.get().status == "accepted"
    assert BatchVoid.objects.get().approved is False


def test_who_may_not_void_is_told(batch):
    asker = user_with("SD", batch.site)
    with pytest.raises(ValidationError, match="cannot be blank"):
        voiding.ask(batch.pk, reason=" ", by=asker)
    with pytest.raises(RefusedHandling, match="Nobody has asked"):
        voiding.decide(batch.pk, approve=True, by=asker)
    voiding.ask(batch.pk, reason="x", by=asker)
    with pytest.raises(ValidationError, match="asked for already"):
        voiding.ask(batch.pk, reason="y", by=user_with("LT", batch.site))
    with pytest.raises(NotAllowed, match="somebody else decides"):
        voiding.decide(batch.pk, approve=True, by=asker)
    with pytest.raises(NotAllowed, match="does not decide on voiding"):
        voiding.decide(batch.pk, approve=True, by=user_with("LT", batch.site))
    with pytest.raises(NotAllowed, match="does not correct assays"):
        voiding.ask(batch.pk, reason="x", by=user_with("SC", batch.site))
    voiding.decide(batch.pk, approve=True, by=user_with("CD"))
    with pytest.raises(RefusedHandling, match="voided already: x"):
        voiding.ask(batch.pk, reason="x", by=asker)


def test_the_next_table_of_the_run_takes_a_voided_batchs_place(reference):
    site = SiteFactory(code="FUK")
    SampleFactory(participant=ConsentFactory(participant__site=site).participant, code="T1")
    first = sent(site, "arginine [umol/L]\nT1,80")
    voiding.ask(first.pk, reason="x", by=user_with("LT", site))
    voiding.decide(first.pk, approve=True, by=user_with("CD"))
    second = sent(site, "arginine [umol/L]\nT1,81")
    assert (second.replaces, second.version) == (first, 2)


def sent(site, text):
    options = {"platform": "LC-MS", "matrix": "plasma"}
    table = SentTable("assays", f"sample,{text}\n".encode(), "a.csv", options)
    uploads.submit(site, table, by=None)
    return AssayBatch.objects.latest("pk")
