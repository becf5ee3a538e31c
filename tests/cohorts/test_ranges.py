"""Values stand beside the range of their assay, sex and age, flagged and never changed."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from django.core.exceptions import ValidationError

from cohorts import ranges
from cohorts.models import AssayRow, BatchFeature, Feature, RecordReading, ReferenceRange, ValueFlag
from cohorts.models.assay import pack_flags, pack_values
from cohorts.ranges import Bounds
from cohorts.services.batches import measured
from tests.factories import AssayBatchFactory, ParticipantFactory, SampleFactory, user_with

MEN = Bounds(low=220, high=464, source="JCCLS", sex="male")
WOMEN = Bounds(low=155, high=327, source="JCCLS", sex="female")
OURS = Bounds(low=200, high=400, source="our laboratory", platform="enzymatic", sex="male")
CHILDREN = Bounds(low=40, high=160, source="ARUP", age_from=1, age_until=18)
ADULTS = Bounds(low=13, high=64, source="UCSF", age_from=18)
EVERY_AGE = Bounds(low=40, high=160, source="ARUP", age_from=1)


@pytest.mark.parametrize(
    ("known", "platform", "sex", "age", "expected"),
    [
        ((MEN, WOMEN), "LC-MS", "male", 30, (MEN,)),
        ((MEN, WOMEN), "LC-MS", "female", 30, (WOMEN,)),
        ((MEN, WOMEN), "LC-MS", "intersex", 30, ()),
        ((MEN, WOMEN, OURS), "Enzymatic", "male", 30, (OURS,)),
        ((MEN, WOMEN, OURS), "LC-MS", "male", 30, (MEN,)),
        ((CHILDREN, ADULTS), "LC-MS", "male", 17.9, (CHILDREN,)),
        ((CHILDREN, ADULTS), "LC-MS", "male", 18, (ADULTS,)),
        ((CHILDREN, ADULTS), "LC-MS", "male", None, ()),
        ((EVERY_AGE, ADULTS), "LC-MS", "male", 30, (EVERY_AGE, ADULTS)),
    ],
)
def test_the_closest_range_of_the_assay_sex_and_age_holds(known, platform, sex, age, expected):
    said = {"platform": platform, "matrix": "serum", "sex": sex, "age_years": age}
    assert ranges.holding(known, **said) == expected


def test_sources_that_contradict_each_other_flag_only_what_lies_outside_all_of_them():
    both = (EVERY_AGE, ADULTS)
    sides = [ranges.side_of(value, both) for value in (12, 30, 100, 161)]
    assert sides == ["below", "within", "within", "above"]
    assert ranges.side_of(12, ()) == ""


@pytest.mark.parametrize(("limit", "side"), [(13, "below"), (14, ""), (100, "")])
def test_a_value_below_detection_is_below_its_range_only_where_the_limit_is(limit, side):
    assert ranges.side_of_limit(limit, (ADULTS,)) == side


def test_the_age_is_that_of_the_day_of_collection():
    said = {"enrolled_on": date(2024, 4, 1), "age_at_enrolment": 17.5}
    assert ranges.age_on(date(2024, 12, 1), **said) > 18
    assert ranges.age_on(None, **said) == 17.5


@pytest.fixture
def woman(reference):
    """Urate in mg/dL: above, below detection, missing, and a peak area."""
    person = ParticipantFactory(sex="female", age_years=30.0, site__code="FUK")
    sample = SampleFactory(
        participant=person, code="T1", collected_at=datetime(2024, 4, 2, tzinfo=UTC)
    )
    urate = Feature.objects.get(name="uric acid")
    sent = ((6.0, ValueFlag.MEASURED), (2.5, ValueFlag.BELOW_LOD), (np.nan, ValueFlag.MISSING))
    for value, flag in sent:
        batch = AssayBatchFactory(site=person.site, matrix="serum")
        BatchFeature.objects.create(
            batch=batch, position=0, feature=urate, source_name="UA", unit="mg/dL", factor=59.4840
        )
        AssayRow.objects.create(
            batch=batch,
            sample=sample,
            label="T1",
            packed_values=pack_values(np.array([value])),
            packed_flags=pack_flags(np.array([flag])),
        )
    return person


def test_each_value_is_shown_beside_the_range_of_this_person(woman, browse, api):
    manager = user_with("SD", woman.site)
    missing, low, high = measured.of_person(woman, user=manager)
    assert [each.side for each in (high, low, missing)] == ["above", "below", ""]
    assert (high.reported, high.in_canonical, low.reported) == ("6", "356.9", "<2.5")
    page = browse(manager).get(f"/participants/{woman.pk}/").content.decode()
    assert "above the range" in page
    assert "155–327 umol/L" in page
    only = browse(manager).get(f"/participants/{woman.pk}/values/?outside=1")
    assert [each.side for each in only.context["values"]] == ["below", "above"]
    api.force_authenticate(manager)
    told = api.get(f"/api/v1/participants/{woman.pk}/values").json()
    assert [(row["flag"], row["against_range"]) for row in told] == [
        ("missing", ""), ("below_lod", "below"), ("measured", "above"),
    ]  # fmt: skip
    assert told[2]["ranges"][0]["source"].startswith("JCCLS")


def test_a_batch_shows_one_feature_and_writes_down_who_read_it(woman, browse):
    manager, row = user_with("SD", woman.site), AssayRow.objects.order_by("pk").first()
    page = browse(manager).get(f"/batches/{row.batch_id}/values/")
    assert "above the range" in page.content.decode()
    assert RecordReading.objects.get().what == f"values of batch {row.batch_id}"
    assert browse(manager).get(f"/batches/{row.batch_id}/values/?feature=0").status_code == 404
    # The values stay as they were sent.
    assert AssayRow.objects.get(pk=row.pk).values[0] == 6.0


def test_who_coordinates_reads_no_values(woman, browse):
    page = browse(user_with("SC", woman.site)).get(f"/participants/{woman.pk}/").content.decode()
    assert "above the range" not in page


@pytest.mark.parametrize("scale", ["log2", "standardised"])
def test_a_logarithm_is_compared_with_no_range(woman, scale):
    for row in AssayRow.objects.select_related("batch"):
        row.batch.scale = scale
        row.batch.save()
    found = measured.of_person(woman, user=user_with("SD", woman.site))
    assert {(each.bounds, each.side) for each in found} == {((), "")}


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        ({"age_from": 20, "age_until": 18}, "A range's ages end after they begin"),
        ({"sex": "m"}, "A range is for female, for male, or for all"),
        ({"low": 5, "high": 4}, "The low end of a range is below its high end"),
    ],
)
def test_a_range_that_cannot_be_is_refused(reference, facts, words):
    said = {"low": 1, "high": 2, "source": "x", **facts}
    with pytest.raises(ValidationError, match=words):
        ReferenceRange(feature=Feature.objects.get(name="uric acid"), **said).full_clean()
