"""Eight real batches of mass spectrometry: ComBat takes the batches out and leaves the species."""

import numpy as np
import pandas as pd
import pytest

from analysis.stats.combat import fit_combat


@pytest.fixture(scope="module")
def run(real_data):
    folder = real_data / "mtbls79_batches"
    samples = pd.read_csv(folder / "samples.csv", index_col="sample_id")
    values = np.log2(pd.read_csv(folder / "measurements.csv", index_col="sample_id"))
    return samples, values.loc[samples.index]


def share_between(values, label):
    """Median over features of the share of variance between labels, by plain pandas."""
    groups = values.groupby(label.to_numpy())
    between = (groups.count() * (groups.mean() - values.mean()) ** 2).sum()
    return float((between / ((values - values.mean()) ** 2).sum()).median())


def without_batches(values, samples, covariates=None):
    batch = samples["batch"].to_numpy()
    model = fit_combat(values.to_numpy(), batch, covariates)
    done = model.apply(values.to_numpy(), batch, covariates)
    return pd.DataFrame(done, index=values.index, columns=values.columns)


@pytest.fixture(scope="module")
def adjusted(run):
    """Everything at once, the species kept; the pools are no species and a level of their own."""
    samples, values = run
    return without_batches(values, samples, samples[["species"]].fillna("pool"))


def test_batches_explain_most_of_the_pools_before_and_nearly_nothing_after(run):
    samples, values = run
    pools = samples["sample_type"] == "QC"
    assert pools.sum() == 38
    samples, values = samples[pools], values[pools]
    assert share_between(values, samples["batch"]) == pytest.approx(0.73, abs=0.02)
    assert share_between(without_batches(values, samples), samples["batch"]) < 0.05


def test_batches_explain_nearly_nothing_of_all_samples_after(run, adjusted):
    samples, values = run
    assert share_between(values, samples["batch"]) > 0.15
    assert share_between(adjusted, samples["batch"]) < 0.02
    blood = samples["sample_type"] != "QC"
    assert share_between(adjusted[blood], samples["batch"][blood]) < 0.02


def test_pools_agree_better_after_than_before(run, adjusted):
    samples, values = run
    pools = samples["sample_type"] == "QC"

    def median_rsd(logged):
        raw = 2 ** logged[pools]
        return float((raw.std(ddof=1) / raw.mean()).median())

    assert median_rsd(adjusted) < 0.7 * median_rsd(values)


def test_cows_and_sheep_stay_as_far_apart(run, adjusted):
    samples, values = run
    blood = samples["species"].notna()
    before = share_between(values[blood], samples["species"][blood])
    assert share_between(adjusted[blood], samples["species"][blood]) >= before


def test_what_was_not_detected_stays_not_detected(run, adjusted):
    _, values = run
    assert (adjusted.isna() == values.isna()).all().all()
