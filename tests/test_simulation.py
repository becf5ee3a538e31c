"""The simulated consortium: tables that the project's own checks take, with a known truth."""

import csv
import json
import re
import time
from dataclasses import fields
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cohorts.ingest import assays, assessments, participants, samples
from cohorts.ingest.columns import ASSESSMENTS, PARTICIPANTS, SAMPLES, is_personal
from cohorts.ingest.facts import (
    FeatureFacts,
    FeatureIndex,
    InstrumentFacts,
    ParticipantFacts,
    SampleFacts,
    SiteFacts,
    normalise,
)
from cohorts.ingest.reading import read_table
from cohorts.preanalytics import Handling, judge
from hikiproject.simulation import (
    Consortium,
    SiteTables,
    simulate_consortium,
    simulate_late_batch,
    write_tables,
)
from hikiproject.simulation.planted import SEVERITY_R

ROOT = Path(__file__).parent.parent
SITES = ("FUK", "TYO", "SEL", "MIL", "MTL")
PROMPT_SITES = ("FUK", "SEL", "MTL")  # TYO reports peak areas, which have no ratio
GROUPS = ("hikikomori", "pre_hikikomori", "healthy_control", "other_control")


@cache
def consortium() -> Consortium:
    return simulate_consortium(np.random.default_rng(20220601))


@cache
def reference() -> tuple[FeatureIndex, dict[str, InstrumentFacts]]:
    by_name = {}
    with (ROOT / "cohorts/reference/features.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            mass = float(row["molar_mass"]) if row["molar_mass"] else None
            facts = FeatureFacts(row["name"], row["canonical_unit"], mass, row["kind"])
            for name in [row["name"], *filter(None, row["aliases"].split(";"))]:
                by_name[normalise(name)] = facts
    known = json.loads((ROOT / "cohorts/reference/instruments.json").read_text(encoding="utf-8"))
    scales = {
        one["code"]: InstrumentFacts(
            one["code"],
            one["n_items"],
            one["item_min"],
            one["item_max"],
            one["total_min"],
            one["total_max"],
            frozenset(one["versions"]),
            frozenset(language["language"] for language in one["languages"]),
        )
        for one in known["instruments"]
    }
    return FeatureIndex(by_name), scales


def facts_of(code: str, tables: SiteTables) -> SiteFacts:
    """The site's books after its participants and samples were taken."""
    people = {
        row.participant: ParticipantFacts(
            row.participant, frozenset(filter(None, row.consent_scopes.split(";"))), 0, row.group
        )
        for row in tables.participants.itertuples()
    }
    tubes = {
        row.sample: SampleFacts(row.sample, row.participant, row.material)
        for row in tables.samples.itertuples()
    }
    features, scales = reference()
    return SiteFacts(code, date(2026, 1, 15), frozenset(GROUPS), people, tubes, scales, features)


def as_sent(table: pd.DataFrame):
    return read_table(table.to_csv(index=False).encode(), filename="table.csv")


def check_assay(code: str, tables: SiteTables, matrix: str):
    table = tables.assays_plasma if matrix == "plasma" else tables.assays_serum
    options = assays.AssayOptions("panel", matrix)
    return assays.check(as_sent(table), facts_of(code, tables), options)


@cache
def measured(code: str, matrix: str) -> pd.DataFrame:
    """Values by sample and canonical name as the project reads them, in canonical units if any."""
    (batch,) = check_assay(code, consortium().tables[code], matrix).batches
    names = [column.feature.name for column in batch.features]
    factors = [column.factor or 1.0 for column in batch.features]
    values = np.where(batch.flags == 0, batch.values, np.nan) * factors
    frame = pd.DataFrame(values, index=[row.sample or row.label for row in batch.rows])
    frame.columns = names
    return frame[[row.sample_type == "study" for row in batch.rows]]


def people_of(frame: pd.DataFrame, code: str) -> pd.DataFrame:
    people = consortium().tables[code].participants.set_index("participant")
    return people.loc[[sample.rsplit("-", 1)[0] for sample in frame.index]]


def difference(code: str, matrix: str, feature: str, sex: str) -> float:
    """Cases minus controls of one sex in pooled SD of ln."""
    frame = measured(code, matrix)
    people = people_of(frame, code)
    level, of_sex = np.log(frame[feature].to_numpy()), (people["sex"] == sex).to_numpy()
    case = level[of_sex & (people["group"] == "hikikomori").to_numpy()]
    control = level[of_sex & (people["group"] == "healthy_control").to_numpy()]
    spread = np.sqrt((np.nanvar(case, ddof=1) + np.nanvar(control, ddof=1)) / 2)
    return (np.nanmean(case) - np.nanmean(control)) / spread


def ratios(code: str) -> pd.Series:
    frame = measured(code, "plasma")
    return frame["arginine"] / (frame["arginine"] + frame["ornithine"])


def test_the_same_seed_gives_the_same_tables_and_another_seed_does_not():
    again = simulate_consortium(np.random.default_rng(20220601))
    other = simulate_consortium(np.random.default_rng(1))
    for code in SITES:
        for name, table in consortium().tables[code].by_name().items():
            pd.testing.assert_frame_equal(table, again.tables[code].by_name()[name])
    assert again.truth == consortium().truth
    assert not other.tables["FUK"].samples.equals(consortium().tables["FUK"].samples)


@pytest.mark.parametrize("code", SITES)
def test_every_table_of_a_site_passes_the_projects_own_checks(code):
    tables = consortium().tables[code]
    facts = facts_of(code, tables)
    reports = [
        participants.check(as_sent(tables.participants), facts_before(facts)).report,
        samples.check(as_sent(tables.samples), facts_before(facts, keep_people=True)).report,
        assessments.check(as_sent(tables.assessments), facts).report,
        check_assay(code, tables, "plasma").report,
        check_assay(code, tables, "serum").report,
    ]
    assert [str(fault) for report in reports for fault in report.faults] == []


def facts_before(facts: SiteFacts, *, keep_people: bool = False) -> SiteFacts:
    """The books before the samples, and by default the people too, were taken."""
    people = facts.participants if keep_people else {}
    return SiteFacts(
        facts.site, facts.today, facts.groups, people, {}, facts.instruments, facts.features
    )


@pytest.mark.parametrize("code", SITES)
def test_a_sites_files_have_the_columns_of_the_contract_and_nothing_personal(code):
    tables = consortium().tables[code]
    for table, spec in [
        (tables.participants, PARTICIPANTS),
        (tables.samples, SAMPLES),
        (tables.assessments, ASSESSMENTS),
    ]:
        items = {column for column in table if re.fullmatch(r"item_\d+", column)}
        assert set(spec.required) <= set(table.columns)
        assert set(table.columns) - items <= set(spec.names)
    for table in tables.by_name().values():
        assert not [column for column in table if is_personal(column)]


@pytest.mark.parametrize("code", SITES)
def test_every_measured_column_is_a_known_feature_and_90_or_more_are_in_plasma(code):
    (batch,) = check_assay(code, consortium().tables[code], "plasma").batches
    assert all(column.feature for column in batch.features)
    assert 90 <= len(batch.features) <= 110
    assert {row.sample_type for row in batch.rows} == {"study", "qc"}


def test_the_sites_report_in_the_units_and_layouts_that_real_sites_mix():
    plasma = {code: list(consortium().tables[code].assays_plasma) for code in SITES}
    assert "uric acid [mg/dL]" in plasma["FUK"]
    assert all(column.endswith("[relative]") for column in plasma["TYO"][3:])
    assert "palmitoylcarnitine [nmol/L]" in plasma["SEL"]
    assert "C16 [µmol/L]" in plasma["MTL"]
    assert list(consortium().tables["SEL"].assays_serum)[:4] == [
        "sample", "feature", "value", "unit",
    ]  # fmt: skip


def test_only_those_whose_consent_covers_it_have_a_sample():
    for tables in consortium().tables.values():
        scopes = tables.participants.set_index("participant")["consent_scopes"].str.split(";")
        for person in tables.samples["participant"]:
            assert {"store_samples", "metabolomics"} <= set(scopes[person])


def test_some_did_not_consent_to_sharing_and_some_to_nothing():
    scopes = pd.concat([t.participants["consent_scopes"] for t in consortium().tables.values()])
    assert (scopes == "").sum() >= 2
    assert (~scopes.str.contains("share_consortium") & (scopes != "")).sum() >= 5


def test_each_site_has_30_to_60_people_a_group_and_more_men_among_cases():
    shares = []
    for tables in consortium().tables.values():
        people = tables.participants
        for group in ("hikikomori", "healthy_control"):
            assert 30 <= (people["group"] == group).sum() <= 60
        men = people["sex"] == "male"
        case = people["group"] == "hikikomori"
        shares.append(men[case].mean() - men[people["group"] == "healthy_control"].mean())
    assert np.mean(shares) > 0.05


@pytest.mark.parametrize("sex", ["male", "female"])
def test_long_chain_acylcarnitines_are_higher_in_cases_of_both_sexes(sex):
    for feature in ("palmitoylcarnitine", "stearoylcarnitine", "oleoylcarnitine"):
        d = np.mean([difference(code, "plasma", feature, sex) for code in SITES])
        assert 0.3 < d < 1.0, feature


@pytest.mark.parametrize(
    ("matrix", "feature", "sign"),
    [("plasma", "arginine", -1), ("plasma", "ornithine", 1), ("serum", "bilirubin", -1)],
)
def test_the_male_signature_is_there_in_promptly_handled_men(matrix, feature, sign):
    prompt = ("FUK", "TYO", "SEL", "MTL")
    men = np.mean([difference(code, matrix, feature, "male") for code in prompt])
    assert 0.15 < sign * men < 1.0


def test_arginase_is_higher_in_male_cases_whichever_way_a_site_measures_it():
    by_site = []
    for code in SITES:
        kind = consortium().sites[code].design.arginase
        by_site.append(difference(code, "serum", kind, "male"))
    assert 0.3 < np.mean(by_site) < 1.0


def test_plasma_separated_late_looks_like_the_male_signature_in_women_too():
    frame = measured("MIL", "plasma")
    people = people_of(frame, "MIL")
    women = (people["sex"] == "female").to_numpy()
    case = (people["group"] == "hikikomori").to_numpy()
    # Nothing is planted in women: what sets them apart here is the delay alone.
    assert ratios("MIL")[women & case].median() < ratios("MIL")[women & ~case].median() - 0.02


@pytest.mark.parametrize("code", PROMPT_SITES)
def test_prompt_sites_lie_in_the_published_range_of_the_handling_ratio(code):
    assert 0.55 < ratios(code).median() < 0.70
    assert (ratios(code) < 0.50).mean() < 0.20
    total = measured(code, "plasma")[["arginine", "ornithine"]].sum(axis=1)
    assert 74 < total.median() < 160


def test_milan_lies_below_the_handling_ratio_and_its_cases_lower_than_its_controls():
    frame = measured("MIL", "plasma")
    case = (people_of(frame, "MIL")["group"] == "hikikomori").to_numpy()
    assert (ratios("MIL") < 0.50).mean() > 0.6
    assert ratios("MIL")[case].median() < ratios("MIL")[~case].median() < 0.50


def test_milans_tubes_were_spun_three_to_six_hours_after_collection():
    tubes = consortium().tables["MIL"].samples
    tubes = tubes[tubes["material"] == "plasma"]
    delay = pd.to_datetime(tubes["spun_at"]) - pd.to_datetime(tubes["collected_at"])
    assert delay.min() >= pd.Timedelta(hours=3)
    assert delay.max() <= pd.Timedelta(hours=6)


@pytest.mark.parametrize("code", SITES)
def test_the_sprec_code_of_every_tube_is_whole_but_for_a_temperature_nobody_noted(code):
    tables = consortium().tables[code]
    known = facts_before(facts_of(code, tables), keep_people=True)
    rows = samples.check(as_sent(tables.samples), known).rows
    shared = {field.name for field in fields(Handling)} & {field.name for field in fields(rows[0])}
    judged = [judge(Handling(**{name: getattr(row, name) for name in shared})) for row in rows]
    assert not any("X" in one.sprec for one in judged)
    assert any("/" in one.sprec_delay for one in judged) == (code == "MIL")


def test_uric_acid_and_cholesterol_esters_split_the_cases_only():
    def correlation(groups: list[str]) -> float:
        by_site = []
        for code in SITES:
            frame = np.log(measured(code, "plasma")[["uric acid", "CE 18:2"]])
            kept = people_of(frame, code)["group"].isin(groups).to_numpy()
            by_site.append(frame[kept].corr().iloc[0, 1])
        return float(np.mean(by_site))

    assert correlation(["hikikomori"]) < -0.15
    assert abs(correlation(["healthy_control"])) < 0.15


def test_acylcarnitines_of_long_chains_move_together_and_others_do_not():
    related, unrelated = [], []
    for code in SITES:
        frame = np.log(measured(code, "plasma"))
        frame = frame[(people_of(frame, code)["group"] == "healthy_control").to_numpy()]
        related.append(frame["palmitoylcarnitine"].corr(frame["oleoylcarnitine"]))
        unrelated.append(abs(frame["palmitoylcarnitine"].corr(frame["tryptophan"])))
    assert np.mean(related) > 0.6
    assert np.mean(unrelated) < 0.35


def test_values_below_the_limit_and_empty_cells_both_occur_and_stay_few():
    for code in SITES:
        (batch,) = check_assay(code, consortium().tables[code], "plasma").batches
        below = (batch.flags == 1).mean(axis=0)
        assert 0.0 < (batch.flags == 2).mean() < 0.03
        assert 0.05 < (below > 0).mean() < 0.5
        assert (below > 0.2).sum() >= 3


def test_severity_follows_the_acylcarnitines_inside_each_group():
    by_group = []
    for code in ("FUK", "SEL", "MIL"):
        frame = np.log(measured(code, "plasma"))
        people = people_of(frame, code)
        hq = hq25_totals(code).reindex(people.index)
        for group in ("hikikomori", "healthy_control"):
            kept = (people["group"] == group).to_numpy()
            by_group.append(np.corrcoef(frame["oleoylcarnitine"][kept], hq[kept])[0, 1])
    assert np.nanmean(by_group) == pytest.approx(SEVERITY_R, abs=0.2)


def hq25_totals(code: str) -> pd.Series:
    """Totals by participant; skipped items count as nothing."""
    table = consortium().tables[code].assessments
    table = table[table["instrument"] == "HQ-25"].set_index("participant")
    items = table[[f"item_{i}" for i in range(1, 26)]].apply(pd.to_numeric)
    for reversed_item in (4, 7, 10, 15, 21, 22, 25):
        items[f"item_{reversed_item}"] = 4 - items[f"item_{reversed_item}"]
    return pd.to_numeric(table["total"]).fillna(items.sum(axis=1)).astype(float)


def test_cases_score_above_controls_on_hq_25_with_items_or_totals_alone():
    for code in ("FUK", "MTL"):
        totals = hq25_totals(code)
        group = consortium().tables[code].participants.set_index("participant")["group"]
        group = group.reindex(totals.index)
        assert totals[group == "hikikomori"].mean() > 50
        assert totals[group == "healthy_control"].mean() < 35
    assert (consortium().tables["MTL"].assessments["total"] != "").all()


def test_a_late_batch_brings_new_people_measured_by_the_same_laboratory():
    late = simulate_late_batch(consortium(), np.random.default_rng(7), "SEL")
    first = consortium().tables["SEL"]
    assert not set(late.participants["participant"]) & set(first.participants["participant"])
    assert not set(late.samples["sample"]) & set(first.samples["sample"])
    assert list(late.assays_plasma) == list(first.assays_plasma)
    assert max(first.participants["enrolled_on"]) < min(late.participants["enrolled_on"])
    facts = facts_of("SEL", late)
    assert participants.check(as_sent(late.participants), facts_before(facts)).report.ok
    assert check_assay("SEL", late, "plasma").report.ok
    assert check_assay("SEL", late, "serum").report.ok


def test_the_folder_holds_the_tables_the_sites_and_the_truth(tmp_path):
    start = time.perf_counter()
    written = write_tables(simulate_consortium(np.random.default_rng(3)), tmp_path)
    assert time.perf_counter() - start < 10  # about 1 s; wide enough for a busy machine
    assert len(written) == 5 * 5 + 2
    assert [site["code"] for site in json.loads((tmp_path / "sites.json").read_text())] == list(
        SITES
    )
    truth = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    assert [effect["claim"] for effect in truth["effects"]] == [f"K22-{i}" for i in range(1, 6)]
    assert list(truth["handling"]) == ["MIL"]
    assert truth["relative_only"] == ["TYO"]
