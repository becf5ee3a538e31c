"""The reference data: what the code relies on in the lists of features, scales and claims."""

import csv
import json
import re
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError

from cohorts.ingest.facts import normalise
from cohorts.models import Feature
from cohorts.services.reference import seed_features

ROOT = Path(__file__).parent.parent.parent
# IUPAC 2021 abridged standard atomic weights.
ATOMIC_WEIGHTS = {"C": 12.011, "H": 1.0080, "N": 14.007, "O": 15.999, "S": 32.06, "P": 30.974}
# g/mol and InChIKey of the analytes of the published study, computed elsewhere.
PUBLISHED = {
    "arginine": (174.20, "ODKSFYDXXFIFQN-BYPYZUCNSA-N", "HMDB0000517", "16467"),
    "ornithine": (132.16, "AHLPHDHHMVZTML-BYPYZUCNSA-N", "HMDB0000214", "15729"),
    "citrulline": (175.19, "RHGKLRLOHDJJDR-BYPYZUCNSA-N", "HMDB0000904", "16349"),
    "bilirubin": (584.67, "BPYKTIZUTYGOLE-IFADSCNNSA-N", "HMDB0000054", "16990"),
    "uric acid": (168.11, "LEHOTFFKMJEONL-UHFFFAOYSA-N", "HMDB0000289", "17775"),
    "total cholesterol": (386.66, "HVYWMOMLDIMFJA-DPAQBDIFSA-N", "HMDB0000067", "16113"),
    "carnitine": (161.20, "PHIQHXFUZVPYII-ZCFIWIBFSA-N", "HMDB0000062", "16347"),
    "acetylcarnitine": (203.24, "RDHQFKQIGNGIED-MRVPVSSYSA-N", "HMDB0000201", "57589"),
    "myristoylcarnitine": (371.56, "PSHXNVGSVNEJBD-LJQANCHMSA-N", "HMDB0005066", ""),
    "palmitoylcarnitine": (399.62, "XOMRRQXKHMYMOC-OAQYLSRUSA-N", "HMDB0000222", "17490"),
    "stearoylcarnitine": (427.67, "FNPHNLNTJNMAEE-HSZRJFAPSA-N", "HMDB0000848", ""),
    "oleoylcarnitine": (425.65, "IPOLTUVFXFHAHI-WHIOSMTNSA-N", "HMDB0005065", ""),
    "linoleoylcarnitine": (423.64, "MJLXQSQYKZWZCB-DQFWFXSYSA-N", "HMDB0006469", ""),
}


def _rows(path: str) -> list[dict[str, str]]:
    with (ROOT / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _json(path: str) -> dict:
    return json.loads((ROOT / path).read_text(encoding="utf-8"))


FEATURES = {row["name"]: row for row in _rows("cohorts/reference/features.csv")}
CLAIMS = _json("analysis/reference/claims.json")["claims"]
INSTRUMENTS = _json("cohorts/reference/instruments.json")["instruments"]


def _mass(formula: str) -> float:
    atoms = re.findall(r"([A-Z][a-z]?)([0-9]*)", formula)
    return sum(ATOMIC_WEIGHTS[symbol] * int(count or 1) for symbol, count in atoms)


def test_a_feature_is_listed_once_and_an_identifier_belongs_to_one_feature():
    rows = _rows("cohorts/reference/features.csv")
    for column in ("name", "refmet_name", "hmdb", "chebi", "inchikey"):
        used = [row[column] for row in rows if row[column]]
        assert len(used) == len(set(used)), column


def test_identifiers_are_written_as_their_databases_write_them():
    for row in FEATURES.values():
        assert re.fullmatch(r"(HMDB\d{7})?", row["hmdb"]), row
        assert re.fullmatch(r"\d*", row["chebi"]), row
        assert re.fullmatch(r"([A-Z]{14}-[A-Z]{10}-[A-Z])?", row["inchikey"]), row


def test_every_identifier_says_how_it_is_known():
    for row in FEATURES.values():
        marks = dict(mark.split("=") for mark in row["marks"].split(";") if mark)
        known = {"refmet_name": "refmet"}
        for column in ("refmet_name", "hmdb", "chebi", "inchikey", "molar_mass"):
            mark = marks.get(known.get(column, column))
            assert (mark in {"computed", "confirmed", "recalled"}) == bool(row[column]), row


def test_the_list_is_as_long_as_the_study_asks_and_most_of_it_is_known_by_every_identifier():
    known = ("hmdb", "chebi", "inchikey", "molar_mass")
    molecules = [row for row in FEATURES.values() if row["identity"] == "molecule"]
    whole = [row for row in molecules if all(row[column] for column in known)]
    assert len(FEATURES) >= 200
    assert len(whole) >= 150
    # The databases have no entry for these, or public tables do not agree on it.
    assert len(molecules) - len(whole) <= 16


def test_a_molecule_without_an_identifier_says_why():
    for row in FEATURES.values():
        if row["identity"] == "molecule":
            for column, database in (("hmdb", "HMDB"), ("chebi", "ChEBI")):
                assert bool(row[column]) != (f"no {database}" in row["remark"]), row


def test_what_cannot_have_an_identifier_says_so():
    for row in FEATURES.values():
        if row["identity"] == "molecule":
            assert row["inchikey"], row
            assert row["molar_mass"], row
        elif row["identity"] == "isomers":
            assert row["molar_mass"], row
            assert not row["inchikey"], row
        else:
            assert row["identity"] == "assay"
            assert not row["hmdb"] + row["chebi"] + row["inchikey"], row


def test_no_alias_means_two_features():
    owner: dict[str, str] = {}
    for name, row in FEATURES.items():
        for spelling in [name, *filter(None, row["aliases"].split(";"))]:
            # Stricter than the look-up: names must differ in more than punctuation.
            key = re.sub(r"[^\w:]", "", normalise(spelling))
            assert owner.setdefault(key, name) == name, spelling


def test_molar_masses_follow_from_the_formulas():
    formulas = {r["name"]: r["formula"] for r in _rows("cohorts/reference/structures.csv")}
    with_mass = {name for name, row in FEATURES.items() if row["molar_mass"]}
    assert with_mass == set(formulas)
    for name in with_mass:
        mass = float(FEATURES[name]["molar_mass"])
        # Sulfur's own standard weight is uncertain by 0.02, and tables differ within that.
        allowed = 0.02 if "S" in formulas[name] else 0.005
        assert mass == pytest.approx(_mass(formulas[name]), abs=allowed), name


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_analytes_keep_their_identity(name):
    mass, inchikey, hmdb, chebi = PUBLISHED[name]
    row = FEATURES[name]
    assert float(row["molar_mass"]) == pytest.approx(mass, abs=0.01)
    assert (row["inchikey"], row["hmdb"], row["chebi"]) == (inchikey, hmdb, chebi)


def test_an_enzymes_activity_and_mass_are_two_features_that_no_molar_mass_joins():
    activity, mass = FEATURES["arginase activity"], FEATURES["arginase mass"]
    assert (activity["canonical_unit"], activity["kind"]) == ("U/L", "activity")
    assert (mass["canonical_unit"], mass["kind"]) == ("ng/mL", "concentration")
    assert not activity["molar_mass"]
    assert not mass["molar_mass"]


def test_the_nine_claims_name_features_of_the_list():
    assert [claim["id"] for claim in CLAIMS] == [f"K22-{i}" for i in range(1, 10)]
    for claim in CLAIMS:
        assert claim["source_doi"] == "10.1080/19585969.2022.2046978"
        assert set(claim["members"]) <= set(FEATURES), claim["id"]
        assert bool(claim["members"]) == (claim["kind"] in {"feature", "class", "subgroup"})


def test_the_male_claims_keep_the_conflict_of_their_sources():
    men = [claim for claim in CLAIMS if claim["sex"] == "men"]
    assert [claim["id"] for claim in men] == ["K22-2", "K22-3", "K22-4", "K22-5"]
    assert all("Japanese release" in claim["scope_note"] for claim in men)
    assert all(claim["handling_sensitive"] for claim in men)


def test_the_default_plan_scores_classes_of_listed_features():
    scores = _json("analysis/reference/plan_kyushu-2022.json")["data"]["class_scores"]
    for members in scores.values():
        assert set(members) <= set(FEATURES)
    (claim,) = (claim for claim in CLAIMS if claim["kind"] == "class")
    assert scores[claim["marker"]] == claim["members"]


@pytest.mark.parametrize("scale", INSTRUMENTS, ids=lambda one: one["code"])
def test_a_scale_is_consistent_with_itself(scale):
    items = set(range(1, scale["n_items"] + 1))
    assert scale["total_min"] == scale["n_items"] * scale["item_min"]
    assert scale["total_max"] == scale["n_items"] * scale["item_max"]
    assert set(scale["reversed_items"]) <= items
    assert scale["to_be_confirmed"]
    if scale["subscales"]:
        placed = [item for subscale in scale["subscales"].values() for item in subscale]
        assert sorted(placed) == sorted(items)


def test_only_the_japanese_hq_25_has_a_cut_off():
    (hq25,) = (scale for scale in INSTRUMENTS if scale["code"] == "HQ-25")
    cut_offs = {one["language"]: one["cut_off"] for one in hq25["languages"] if one["cut_off"]}
    assert list(cut_offs) == ["ja"]
    assert cut_offs["ja"]["at_or_above"] == 42


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("identity", "facts", "sentence"),
    [
        ("isomers", {"inchikey": "PSHXNVGSVNEJBD-LJQANCHMSA-N"}, "leave the InChIKey empty"),
        ("assay", {"chebi": "16467"}, "leave HMDB, ChEBI and InChIKey empty"),
    ],
)
def test_what_is_no_molecule_is_refused_the_identifiers_of_one(identity, facts, sentence):
    with pytest.raises(ValidationError, match=sentence):
        Feature(name="x", identity=identity, **facts).full_clean()


@pytest.mark.django_db
def test_features_that_were_there_before_are_told_what_they_stand_for(reference):
    Feature.objects.update(identity="")
    Feature.objects.filter(name="LPC 16:0").update(inchikey="ASWBNKHCZGQVJV-HSZRJFAPSA-N")
    Feature.objects.filter(name="albumin").update(identity="molecule")
    seed_features()
    said = dict(Feature.objects.values_list("name", "identity"))
    assert (said["arginine"], said["PC 34:1"], said["HDL-C"]) == ("molecule", "isomers", "assay")
    # What somebody has said, by a word or by a structure, stays.
    assert (said["albumin"], said["LPC 16:0"]) == ("molecule", "")
