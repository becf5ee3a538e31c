"""Six real studies: their faults are handled, and their figures hold to statsmodels."""

import numpy as np
import pandas as pd
import pytest

from tests.real.independent import adjusted_difference, log2_filled, reml_hksj

pytestmark = pytest.mark.django_db

COHORT = {
    "YAC": "yachida",
    "SIN": "sinha",
    "KIM": "kim",
    "ERA": "erawijantari",
    "WAN": "wang",
    "KAN": "kang",
}
ISOVALERATE, VALINE = "HMDB0000718", "HMDB0000883"
LOGGED = {"SIN": 1.0, "KIM": float(np.log2(10))}  # sent on a log or standardised scale


@pytest.fixture
def people(gut):
    return pd.read_csv(gut.raw / "participants.csv", index_col="sample_id", low_memory=False)


def shared(people):
    """Sample ids of yachida's people who are in erawijantari too, as the source says."""
    mine = people[people["cohort"] == "yachida"]
    return mine.index[mine["shared_with_erawijantari"].astype(str) == "True"]


def by_hand(gut, people, site, hmdb):
    """The site's adjusted difference of one metabolite, from the raw files."""
    features = pd.read_csv(gut.raw / "features.csv")
    mine = features[(features["cohort"] == COHORT[site]) & (features["hmdb"] == hmdb)]
    column = mine["feature_id"].item()
    raw = pd.read_csv(
        gut.raw / f"measurements_{COHORT[site]}.csv",
        index_col="sample_id",
        usecols=["sample_id", column],
    )[column]
    who = people.loc[raw.index]
    # The scale is made of all in the arms; who is in two cohorts leaves afterwards.
    chosen = who["case"].notna()
    values = raw[chosen] * LOGGED[site] if site in LOGGED else log2_filled(raw[chosen])
    keep = values.index.difference(shared(people))
    covariates = pd.DataFrame({"male": (who.loc[keep, "sex"] == "M").astype(float)})
    if site != "KIM":
        covariates["age_years"] = who.loc[keep, "age_years"]
    return adjusted_difference(values[keep], who.loc[keep, "case"], covariates)


def test_everybody_in_an_arm_arrives_and_the_others_are_counted_and_named(gut):
    arrived = {t["site"]: t["rows"] for t in gut.first["tables"] if t["kind"] == "participants"}
    assert arrived == {"YAC": 250, "SIN": 131, "KIM": 138, "ERA": 96, "WAN": 287, "KAN": 44}
    left = {entry["site"]: entry for entry in gut.first["left_out"]}
    assert {site: entry["n"] for site, entry in left.items()} == {"YAC": 97, "KIM": 102}
    assert left["KIM"]["participants"][0] == "kim_A001"
    assert gut.import_seconds < 20


def test_the_second_import_changes_nothing(gut):
    assert gut.second["status"] == "unchanged"
    assert not any(table["new"] for table in gut.second["tables"])


def test_53_people_are_found_in_two_cohorts_and_counted_once(gut, people):
    twice = [e for e in gut.document("run")["left_out"] if "one person" in e["why"]]
    assert {e["why"].split()[0] for e in twice} == set(shared(people))
    assert len(twice) == 53
    sites = {s["site"]: (s["n_case"], s["n_control"]) for s in gut.document("run")["sites"]}
    # They stay with erawijantari, which would be left with one control.
    assert sites["YAC"] == (123, 127 - 53)
    assert sites["ERA"] == (42, 54)


def test_a_cohort_without_ages_takes_part_unadjusted_for_age_and_says_so(gut):
    effects = gut.table("effects").set_index("site")
    assert set(effects.loc["KIM", "adjusted_for"]) == {"sex"}
    assert set(effects.loc["YAC", "adjusted_for"]) == {"age_years;sex"}
    notes = [e["why"] for e in gut.document("run")["left_out"] if e["what"] == "covariate"]
    assert [("KIM", "age_years" in why) for why in notes] == [("KIM", True)]


def test_tables_on_a_log_scale_take_part_without_a_second_logarithm(gut):
    notes = {e["site"]: e["why"] for e in gut.document("run")["left_out"] if e["what"] == "samples"}
    assert "standardised" in notes["SIN"]
    assert "log10" in notes["KIM"]
    assert all("no second logarithm" in notes[site] for site in LOGGED)


def test_the_base_of_the_third_cohort_s_logarithm_is_ten(gut):
    """Its README does not say. The same metabolites vary ln 10 times as much in natural logs."""
    features = pd.read_csv(gut.raw / "features.csv").set_index("feature_id")["hmdb"]
    spread = {}
    for name in ("kim", "sinha"):
        sd = pd.read_csv(gut.raw / f"measurements_{name}.csv", index_col="sample_id").std()
        sd.index = features.reindex(sd.index)
        spread[name] = sd[sd.index.notna() & ~sd.index.duplicated(keep=False)]
    ratio = (spread["sinha"] / spread["kim"]).dropna()
    assert len(ratio) > 150
    assert ratio.median() == pytest.approx(np.log(10), rel=0.05)


def test_identity_is_joined_by_hmdb_and_by_nothing_else(gut):
    overlap = pd.read_csv(gut.raw / "hmdb_overlap.csv").set_index("hmdb")
    pooled = gut.table("pooled").dropna(subset="hmdb").set_index("hmdb")
    isovalerate = pooled.loc[ISOVALERATE]
    assert set(isovalerate["sites"].split(";")) == set(COHORT)
    assert overlap.loc[ISOVALERATE, "n_cohorts"] == isovalerate["n_sites"] == 6
    ambiguous = [w["message"] for w in gut.first["warnings"] if w["code"] == "ambiguous_hmdb"]
    assert len(ambiguous) == 5
    assert any("Glycerol, C00122_Fumarate" in words for words in ambiguous)
    invalid = [w["message"] for w in gut.first["warnings"] if w["code"] == "not_hmdb"]
    assert len(invalid) == 1
    assert invalid[0].startswith("10 cells")
    effects = gut.table("effects").set_index(["site", "source_name"])
    assert pd.isna(effects.loc[("ERA", "C02727_N-epsilon-Acetyllysine"), "hmdb"])


@pytest.mark.parametrize(
    ("site", "hmdb"),
    [(site, ISOVALERATE) for site in COHORT] + [(site, VALINE) for site in COHORT if site != "WAN"],
)
def test_a_site_s_effect_is_that_of_statsmodels(gut, people, site, hmdb):
    effects = gut.table("effects")
    row = effects[(effects["site"] == site) & (effects["hmdb"] == hmdb)]
    for name, value in by_hand(gut, people, site, hmdb).items():
        assert row[name].item() == pytest.approx(value, rel=1e-8), name


@pytest.mark.parametrize("hmdb", [ISOVALERATE, VALINE])
def test_the_pooled_value_is_that_of_another_restricted_likelihood(gut, people, hmdb):
    pooled = gut.table("pooled").set_index("hmdb").loc[hmdb]
    sites = pooled["sites"].split(";")
    found = [by_hand(gut, people, site, hmdb) for site in sites]
    expected = reml_hksj(
        np.array([f["hedges_g"] for f in found]), np.array([f["hedges_g_variance"] for f in found])
    )
    for name, value in expected.items():
        assert pooled[name] == pytest.approx(value, rel=1e-4, abs=1e-6), name
    assert pooled["n_case"] == sum(f["n_case"] for f in found)
    assert pooled["n_control"] == sum(f["n_control"] for f in found)


def test_six_diseases_share_no_signature(gut):
    """One model cannot know autism from cancer: chance at every unseen site, and no small q."""
    classifier = gut.document("classifier")
    assert 0.42 < classifier["auc"] < 0.6
    assert classifier["ci_low"] < 0.5 < classifier["ci_high"]
    assert {entry["site"] for entry in classifier["by_site"]} == set(COHORT)
    tested = gut.table("pooled").dropna(subset="q")
    assert len(tested) > 200
    assert tested["q"].min() > 0.05


@pytest.mark.parametrize(
    ("site", "metabolite"),
    [("WAN", "Phenol"), ("WAN", "p-Cresol"), ("KAN", "Isopropanol"), ("KAN", "p-Cresol")],
)
def test_what_the_cohorts_themselves_reported_comes_out(gut, site, metabolite):
    """Uraemic toxins in kidney failure; isopropanol and p-cresol in autism (Kang 2018)."""
    effects = gut.table("effects").set_index(["site", "source_name"])
    assert effects.loc[(site, metabolite), "hedges_g"] > 0.3
    assert effects.loc[(site, metabolite), "p"] < 0.05


def test_harmonisation_takes_out_the_sites_and_says_what_it_kept(gut):
    report = gut.document("harmonisation")
    assert report["refused"] == ""
    assert report["kept"] == ["case", "sex"]  # ages are not known of everybody
    assert report["variance_explained_before"]["site"] > 0.05
    assert report["variance_explained_after"]["site"] < 0.01


def test_the_run_is_computed_again_bit_for_bit(gut):
    assert "equal" in gut.reproduced
