"""The five sites: who they recruit, how they handle tubes, and how their laboratories report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class TubeProtocol:
    """How a site spins and keeps its tubes, in the letters of SPREC; "" is "not written down".

    ``plasma_spins`` and ``serum_spins`` are the first and the second centrifugation.
    """

    temperature: Literal["room", "cold", ""]
    plasma_spins: tuple[str, str]
    serum_spins: tuple[str, str]
    storage: str


@dataclass(frozen=True)
class SiteDesign:
    """One site. Spin delays are in hours from collection, as (least, most), uniform.

    ``plasma_report`` is how the plasma panel is written: ``si`` in canonical units, ``mg_dl`` with
    uric acid, bilirubin and creatinine in mg/dL, ``relative`` as peak areas, ``nmol`` with
    acylcarnitines in nmol/L, ``own_names`` in µmol/L under the platform's own names.
    """

    code: str
    name: str
    country: str
    time_zone: str
    utc_offset: str
    language: str
    n_case: int
    n_control: int
    share_of_men_case: float
    share_of_men_control: float
    age_mean_years: float
    age_sd_years: float
    spin_delay_case_hours: tuple[float, float]
    spin_delay_control_hours: tuple[float, float]
    plasma_tube: str
    plasma_report: Literal["si", "mg_dl", "relative", "nmol", "own_names"]
    below_limit: Literal["<LOD", "ND", "number"]
    arginase: Literal["arginase activity", "arginase mass"]
    protocol: TubeProtocol
    serum_conventional: bool
    serum_long: bool = False
    tells_birth_year: bool = True
    share_with_items: float = 0.9
    share_light_protected: float = 0.97
    n_pre_hikikomori: int = 0


SITES = (
    SiteDesign(
        "FUK", "Fukuoka (simulated)", "JP", "Asia/Tokyo", "+09:00", "ja", 52, 50, 0.72, 0.58,
        27.0, 6.0, (0.4, 0.9), (0.4, 0.9), "EDTA", "mg_dl", "<LOD", "arginase activity",
        TubeProtocol("cold", ("D", "N"), ("B", "N"), "D"), True,
        n_pre_hikikomori=6,
    ),
    SiteDesign(
        "TYO", "Tokyo (simulated)", "JP", "Asia/Tokyo", "+09:00", "ja", 46, 48, 0.66, 0.50,
        30.0, 8.0, (0.5, 1.0), (0.5, 1.0), "EDTA", "relative", "ND", "arginase activity",
        TubeProtocol("room", ("B", "N"), ("B", "N"), "S"), True,
        tells_birth_year=False, share_light_protected=0.75,
    ),
    SiteDesign(
        "SEL", "Seoul (simulated)", "KR", "Asia/Seoul", "+09:00", "ko", 48, 42, 0.75, 0.62,
        24.5, 4.5, (0.3, 0.8), (0.3, 0.8), "EDTA", "nmol", "number", "arginase mass",
        TubeProtocol("cold", ("D", "H"), ("B", "N"), "D"), True,
        serum_long=True,
    ),
    SiteDesign(
        "MIL", "Milan (simulated)", "IT", "Europe/Rome", "", "it", 40, 38, 0.62, 0.45,
        32.0, 9.0, (4.6, 6.0), (3.0, 4.2), "EDTA", "si", "<LOD", "arginase activity",
        TubeProtocol("", ("B", "N"), ("B", "N"), "A"), False,
    ),
    SiteDesign(
        "MTL", "Montreal (simulated)", "CA", "America/Toronto", "", "fr", 36, 42, 0.60, 0.50,
        29.0, 7.5, (0.5, 1.2), (0.5, 1.2), "heparin", "own_names", "number", "arginase mass",
        TubeProtocol("room", ("F", "N"), ("E", "N"), "C"), False,
        tells_birth_year=False, share_with_items=0.0,
    ),
)  # fmt: skip
