"""A column whose values fit only under another unit is asked about; no value is changed."""

from __future__ import annotations

import numpy as np
import pytest
from django.core.exceptions import ValidationError

from cohorts.models import AssayBatch, AssayRow, Feature, Query, ReferenceRange
from cohorts.services import uploads
from cohorts.services.batches import suspicions
from cohorts.services.tables.sent_tables import SentTable
from cohorts.suspicion import other_unit
from tests.factories import ConsentFactory, SampleFactory, SiteFactory, user_with

BILIRUBIN = {"canonical_unit": "umol/L", "molar_mass": 584.673, "low": 7.0, "high": 26.0}
URATE = {"canonical_unit": "umol/L", "molar_mass": 168.112, "low": 155.0, "high": 464.0}


@pytest.mark.parametrize(
    ("facts", "unit", "values", "meant"),
    [
        (BILIRUBIN, "umol/L", [0.5, 0.9, 1.2], "mg/dL"),
        (URATE, "umol/L", [4.1, 6.2, 5.0], "mg/dL"),
        (URATE, "mg/dL", [240.0, 360.0, 300.0], "umol/L"),
        (BILIRUBIN, "umol/L", [12000.0, 9000.0], "nmol/L"),
    ],
)
def test_the_other_unit_is_named(facts, unit, values, meant):
    found = other_unit(np.array(values), unit=unit, **facts)
    assert (found.unit, found.n, found.n_values) == (meant, len(values), len(values))


def test_one_row_in_another_unit_is_found_among_good_ones():
    found = other_unit(np.array([12.0, 15.0, 0.8, np.nan]), unit="umol/L", **BILIRUBIN)
    assert (found.unit, found.n, found.n_values) == ("mg/dL", 1, 3)


@pytest.mark.parametrize("values", [[12.0, 20.0], [40.0, 60.0, 5.0], [1e9], [], [np.nan]])
def test_good_ill_and_impossible_values_raise_no_suspicion(values):
    assert other_unit(np.array(values), unit="umol/L", **BILIRUBIN) is None


def test_a_peak_area_has_no_other_unit():
    assert other_unit(np.array([1.0]), unit="relative", **BILIRUBIN) is None


@pytest.fixture
def sent(reference, settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    site = SiteFactory(code="FUK")
    for code in ("T1", "T2", "T3"):
        sample = SampleFactory(participant__site=site, code=code)
        ConsentFactory(participant=sample.participant)
    table = "sample,bilirubin [umol/L]\nT1,0.5\nT2,0.9\nT3,1.1\n"
    options = {"platform": "LC-MS", "matrix": "plasma"}
    file = SentTable("assays", table.encode(), "assays.csv", options)
    assert uploads.submit(site, file, by=None).status == "accepted"
    return AssayBatch.objects.get()


@pytest.mark.django_db
def test_a_sent_table_raises_one_query_and_keeps_its_values(sent):
    query = Query.objects.get()
    assert query.text == (
        "bilirubin: 3 of 3 values, sent as umol/L, fit 7-26 umol/L only if they are mg/dL. "
        "Which unit is right? No value was changed."
    )
    assert [row.values[0] for row in AssayRow.objects.order_by("label")] == [0.5, 0.9, 1.1]
    assert suspicions.recheck(sent) == []
    # The laboratory reads it and stays blind.
    assert query in Query.objects.visible_to(user_with("LT", sent.site))


@pytest.mark.django_db
def test_the_query_closes_with_the_batch_or_with_the_range(sent):
    ReferenceRange.objects.filter(feature__name="bilirubin").update(low=0.1)
    suspicions.recheck(sent)
    assert Query.objects.get().state == "closed"
    ReferenceRange.objects.filter(feature__name="bilirubin").update(low=7)
    assert len(suspicions.recheck(sent)) == 1
    sent.status, sent.void_reason = "voided", "wrong unit"
    sent.save()
    suspicions.recheck(sent)
    assert not Query.objects.unsettled().exists()


@pytest.mark.django_db
def test_ranges_are_by_sex_and_age_and_say_their_source(reference):
    men = ReferenceRange.objects.of_person("male", 30).get(feature__name="uric acid")
    women = ReferenceRange.objects.of_person("female", 30).get(feature__name="uric acid")
    assert (men.high, women.high) == (464, 327)
    urate = Feature.objects.get(name="uric acid")
    assert ReferenceRange.objects.hulls()[urate.pk] == (155, 464)
    assert all(each.source for each in ReferenceRange.objects.all())
    with pytest.raises(ValidationError, match="low end of a range is below its high end"):
        ReferenceRange(feature=urate, low=5, high=4, source="x").full_clean()
