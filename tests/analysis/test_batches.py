"""A batch's QC is held against the study's limits; voiding it takes two people."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.exceptions import ValidationError

from analysis.quality import report_of
from analysis.stats.qc import qc_rsd_percent
from cohorts.errors import NotAllowed, RefusedHandling
from cohorts.models import AssayBatch, AssayRow, BatchVoid, Change
from cohorts.models.assay import pack_flags, pack_values
from cohorts.services import uploads, voiding
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


def test_a_limit_of_nothing_is_refused(batch):
    batch.site.study.qc_rsd_percent = 0
    with pytest.raises(ValidationError, match="a percentage above 0"):
        batch.site.study.full_clean()


def test_drift_is_the_median_of_all_features_by_injection(batch):
    assert report_of(batch).drift == ((1, 100.0), (2, 62.5), (3, 137.5))


def test_the_page_and_the_api_show_the_report(batch, browse, api):
    person = user_with("LT", batch.site)
    page = browse(person).get(f"/batches/{batch.pk}/").content.decode()
    assert "Over a limit: 1 / 2." in page
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
    table = uploads.SentTable("assays", f"sample,{text}\n".encode(), "a.csv", options)
    uploads.submit(site, table, by=None)
    return AssayBatch.objects.latest("pk")
