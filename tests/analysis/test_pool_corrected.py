"""A plan may have a site's values brought to one level by its pooled QC samples."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from django.core.exceptions import ValidationError

from analysis import frames, plans
from analysis.frames import BatchFrame, StudyFrames
from analysis.models import Plan
from analysis.plans import AnalysisPlan
from analysis.pools import Pools
from analysis.services import snapshots
from analysis.steps.pieces import Anew
from analysis.steps.prepare import prepare
from cohorts.models import AssayRow, Feature
from cohorts.models.assay import pack_flags, pack_values
from tests.factories import SiteFactory, assayed_batch

N, ARMS = 20, {"case": ("hikikomori",), "control": ("healthy_control",)}
ORDER = np.arange(1.0, 3 * N + 1).reshape(N, 3)  # a pool, then two people, and so on


def batch(number, level, drift=0.0):
    """Two features of 40 people; what the machine adds is ``level`` and ``drift`` an injection."""
    rng = np.random.default_rng(number)
    added = np.exp(level + drift * ORDER)
    who = np.arange(2 * N) + 100 * number
    truth = np.exp(rng.normal(3, 0.2, (2 * N, 2)))
    truth[::2, 1] *= 2  # of every second person, the cases
    pooled = np.exp(rng.normal(3, 0.02, (N, 2)))
    columns = {"feature": ["steady", "moves"], "source_name": ["a", "b"], "hmdb": "", "unit": "uM"}
    return BatchFrame(
        *(number, "FUK", "LC-MS", "plasma", "raw"),
        columns=pd.DataFrame({**columns, "factor": np.nan, "lod": np.nan}),
        rows=pd.DataFrame(
            {
                "participant_id": who,
                "spin_delay_hours": 0.5,
                "injection_order": ORDER[:, 1:].ravel(),
            }
        ),
        values=truth * added[:, 1:].reshape(-1, 1),
        flags=np.zeros((2 * N, 2), dtype=np.uint8),
        pools=Pools(pooled * added[:, :1], np.zeros((N, 2), dtype=np.uint8), ORDER[:, 0]),
    )


def prepared(method, *batches):
    who = [person for each in batches for person in each.rows["participant_id"]]
    people = pd.DataFrame(
        {
            "site": "FUK",
            "code": [f"P{number}" for number in who],
            "group": np.tile(["hikikomori", "healthy_control"], len(who) // 2),
            "sex": "male",
            "age_years": 30.0,
            "drug_free": True,
        },
        index=pd.Index(who, name="participant_id"),
    )
    made = prepare(StudyFrames(people, batches), AnalysisPlan(**ARMS, qc_correction=method), Anew())
    return made.blocks[0].values, {note.why: note.n for note in made.notes}


def slope(values):
    return np.polyfit(ORDER[:, 1:].ravel(), values["steady"].to_numpy()[: 2 * N], 1)[0]


def levels(values):
    return values["steady"].iloc[: 2 * N].mean() - values["steady"].iloc[2 * N :].mean()


def test_drift_and_the_levels_of_batches_go_and_what_people_differ_by_stays():
    batches = batch(1, level=0.0, drift=0.02), batch(2, level=1.5)
    as_sent, _ = prepared("", *batches)
    by_median, _ = prepared("median_ratio", *batches)
    by_curve, notes = prepared("loess", *batches)
    assert slope(as_sent) == pytest.approx(0.02 / np.log(2), abs=0.006)
    assert slope(by_median) == pytest.approx(slope(as_sent), abs=1e-9)
    assert abs(slope(by_curve)) < 0.006
    assert abs(levels(as_sent)) > 1
    assert abs(levels(by_curve)) < 0.15
    cases = np.arange(len(by_curve)) % 2 == 0
    difference = by_curve["moves"][cases].mean() - by_curve["moves"][~cases].mean()
    assert difference == pytest.approx(1, abs=0.15)  # log2 of 2
    assert notes == {}


def test_batches_without_pools_stay_as_sent_and_are_counted():
    first, second = batch(1, level=0.0), replace(batch(2, level=1.5), pools=None)
    values, notes = prepared("median_ratio", first, second)
    assert notes == {"no pooled QC sample: not corrected by pools, as the plan would have it": 1}
    np.testing.assert_allclose(values.iloc[2 * N :], np.log2(second.values))


def test_tables_in_logarithms_stay_as_sent_and_are_counted():
    sent = replace(batch(1, level=0.0), scale="ln")
    values, notes = prepared("median_ratio", sent)
    np.testing.assert_allclose(values, sent.values / np.log(2))
    assert notes["not sent in raw units: not corrected by pooled QC samples"] == 1


def test_a_curve_without_the_order_of_injections_is_refused_in_words():
    sent = batch(1, level=0.0)
    sent = replace(sent, pools=replace(sent.pools, injection_order=np.full(N, np.nan)))
    values, notes = prepared("loess", sent)
    [why] = notes
    assert why == (
        "not corrected by pooled QC samples: A curve needs the injection order: give it, or use "
        "median_ratio."
    )
    np.testing.assert_allclose(values, np.log2(sent.values))


def test_what_no_pool_of_a_batch_measured_is_left_out_and_counted():
    sent = batch(1, level=0.0)
    flags = sent.pools.flags.copy()
    flags[:, 0] = 2
    values, notes = prepared("median_ratio", replace(sent, pools=replace(sent.pools, flags=flags)))
    assert list(values) == ["moves"]
    assert notes["measured in no pooled QC sample of the batch: left out"] == 1


def test_units_of_two_batches_are_brought_together_first():
    first, second = batch(1, level=0.0), batch(2, level=0.0)
    columns = second.columns.assign(factor=10.0)
    in_tenths = replace(second, columns=columns, values=second.values / 10)
    in_tenths = replace(in_tenths, pools=replace(second.pools, values=second.pools.values / 10))
    expected, _ = prepared("median_ratio", first, second)
    found, _ = prepared("median_ratio", first, in_tenths)
    np.testing.assert_allclose(found, expected)


def test_a_plan_that_names_another_correction_is_refused():
    with pytest.raises(ValidationError, match="qc_correction is 'spline'; choose one of median_"):
        plans.parse(ARMS | {"qc_correction": "spline"})


def test_plans_of_before_keep_their_digest():
    before = AnalysisPlan(**ARMS)
    assert AnalysisPlan(**ARMS, qc_correction="").digest == before.digest
    assert AnalysisPlan(**ARMS, qc_correction="loess").digest != before.digest


@pytest.mark.django_db
def test_pools_are_read_and_counted_as_data_only_for_plans_that_ask():
    site = SiteFactory(code="FUK")
    made = assayed_batch(
        site, np.ones((2, 2)), group=["hikikomori", "healthy_control"], features=["a", "b"]
    )
    Feature.objects.filter(name="a").update(ignored=True)
    plan = Plan(study=site.study, name="p", data={k: list(v) for k, v in ARMS.items()})

    def look(method):
        plan.data = {**plan.data, "qc_correction": method}
        return snapshots.look(plan)

    before = {method: look(method)[0].digest for method in ("", "loess")}
    AssayRow.objects.create(
        batch=made,
        label="pool",
        sample_type="qc",
        injection_order=7,
        packed_values=pack_values(np.array([3.0, 4.0])),
        packed_flags=pack_flags(np.zeros(2)),
    )
    assert look("")[0].digest == before[""]
    assert look("")[1].batches[0].pools is None
    snapshot, read = look("loess")
    assert snapshot.digest != before["loess"]
    [found] = read.batches
    assert found.pools.values.tolist() == [[4.0]]
    assert found.pools.injection_order.tolist() == [7.0]
    assert len(found.rows["injection_order"]) == 2
    assert frames.read(snapshot, plan.parsed).batches[0].pools is not None
