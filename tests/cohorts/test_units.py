import itertools

import pint
import pytest

from cohorts.ingest.units import UnitMismatch, factor_to, is_known, spelled

MOLAR = ["mol/L", "mmol/L", "umol/L", "nmol/L", "pmol/L", "nmol/mL", "mmol/dL", "uM", "nM", "mM"]
MASS = ["g/L", "g/dL", "mg/L", "mg/dL", "ug/dL", "ug/mL", "ng/mL", "ng/dL", "pg/mL", "ng/L"]
ACTIVITY = ["U/L", "kU/L", "mU/L", "U/mL", "ukat/L", "nkat/L"]
CONTENT = ["umol/g", "nmol/mg", "nmol/g", "pmol/mg"]
FAMILIES = [MOLAR, MASS, ACTIVITY, CONTENT]


@pytest.fixture(scope="module")
def registry():
    registry = pint.UnitRegistry()
    registry.define("U = umol/minute")
    return registry


@pytest.mark.parametrize("family", FAMILIES)
def test_every_pair_agrees_with_an_independent_unit_library(family, registry):
    for unit, other in itertools.product(family, repeat=2):
        of, to = (name.replace("M", "mol/L") if "M" in name else name for name in (unit, other))
        expected = (1.0 * registry(of.replace("ug", "µg"))).to(to).magnitude
        assert factor_to(unit, other) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("family", FAMILIES)
def test_there_and_back_is_where_one_started(family):
    for unit, other in itertools.product(family, repeat=2):
        assert factor_to(unit, other) * factor_to(other, unit) == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize(
    ("molar_mass", "umol_per_mg_dl"),
    # Factors that laboratories publish: arginine, ornithine, bilirubin, uric acid, cholesterol.
    [(174.20, 57.40), (132.16, 75.66), (584.67, 17.10), (168.11, 59.48), (386.66, 25.86)],
)
def test_mass_becomes_amount_by_the_molar_mass(molar_mass, umol_per_mg_dl):
    factor = factor_to("mg/dL", "umol/L", molar_mass)
    assert factor == pytest.approx(umol_per_mg_dl, abs=0.01)
    assert factor == pytest.approx(1e4 / molar_mass, rel=1e-15)
    assert factor * factor_to("umol/L", "mg/dL", molar_mass) == pytest.approx(1, rel=1e-15)


@pytest.mark.parametrize("unit", ["µmol/L", "μmol/l", "mcmol/L", " umol / L ", "ｕmol/L"])
def test_the_spellings_of_micro_are_one(unit):
    assert spelled(unit) == "umol/L"
    assert factor_to(unit, "mmol/L") == 1e-3


@pytest.mark.parametrize(
    "typo",
    [
        *(
            "umoll/L",
            "mg/dLL",
            "UMOL/L",
            "mmol",
            "Mmol/L",
            "mg dL",
            "mol/K",
            "xg/L",
            "",
            "um/L",
            "MM",
        )
    ],
)
def test_a_misspelt_unit_never_passes(typo):
    assert not is_known(typo)
    with pytest.raises(UnitMismatch, match="is not a known unit"):
        factor_to(typo, "umol/L", 100.0)


def test_a_near_miss_is_suggested():
    with pytest.raises(
        UnitMismatch, match=r'"umoll/L" is not a known unit \(did you mean "umol/L"'
    ):
        factor_to("umoll/L", "umol/L")


@pytest.mark.parametrize(("unit", "other"), [("U/L", "ng/mL"), ("ng/mL", "U/L"), ("U/L", "umol/L")])
def test_an_activity_never_becomes_an_amount(unit, other):
    with pytest.raises(UnitMismatch, match="an activity is not an amount"):
        factor_to(unit, other, 34_700.0)


def test_a_peak_area_never_becomes_a_concentration():
    with pytest.raises(UnitMismatch, match="a peak area is no concentration"):
        factor_to("peak area", "umol/L")
    assert factor_to("a.u.", "relative") == 1.0


def test_without_a_molar_mass_mass_stays_mass():
    with pytest.raises(UnitMismatch, match=r"without a molar mass.*send umol/L"):
        factor_to("mg/dL", "umol/L")


def test_content_of_tissue_is_not_a_concentration_of_fluid():
    with pytest.raises(UnitMismatch, match="does not convert"):
        factor_to("nmol/g", "umol/L")
    assert factor_to("mmHg", "mmHg") == 1.0
