"""The simulated records in the tables of a site, and the folder that holds them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from hikiproject.simulation.sites import SiteDesign

if TYPE_CHECKING:
    from hikiproject.simulation.consortium import Consortium, SiteTables

CONSENT_VERSION = "1.0"


def participants_table(people: pd.DataFrame, design: SiteDesign) -> pd.DataFrame:
    """The participants as sent: birth year or age, consent where there is one."""
    enrolled = people["enrolled_on"].map(lambda day: day.isoformat())
    consented = people["scopes"] != ""
    table = pd.DataFrame(
        {
            "participant": people["participant"],
            "sex": people["man"].map({True: "male", False: "female"}),
            "group": people["group"],
            "enrolled_on": enrolled,
        }
    )
    if design.tells_birth_year:
        years = people["enrolled_on"].map(lambda day: day.year) - people["age_years"]
        table["birth_year"] = years.astype(str)
    else:
        table["age_years"] = people["age_years"].astype(str)
    table["drug_free"] = people["drug_free"].map({True: "yes", False: "no"})
    table["consent_version"] = consented.map({True: CONSENT_VERSION, False: ""})
    table["consent_signed_on"] = enrolled.where(consented, "")
    table["consent_scopes"] = people["scopes"]
    return table


def samples_table(tubes: pd.DataFrame, design: SiteDesign) -> pd.DataFrame:
    """The tubes as sent; times are local, with the offset where the site's never changes."""
    table = tubes[["sample", "participant", "material"]].copy()
    for name in ("collected_at", "spun_at", "frozen_at"):
        if name == "spun_at":
            table["tube"] = tubes["tube"]
        table[name] = tubes[name].dt.strftime("%Y-%m-%dT%H:%M") + design.utc_offset
    for name in ("temperature", "centrifugation", "second_centrifugation", "storage"):
        table[name] = tubes[name]
    table["fasting_hours"] = tubes["fasting_hours"].map("{:.1f}".format)
    table["haemolysis_index"] = tubes["haemolysis_index"].map("{:.2f}".format)
    table["light_protected"] = tubes["light_protected"].map({True: "yes", False: "no"})
    table["freeze_thaws"] = tubes["freeze_thaws"].astype(str)
    return table


def write_tables(consortium: Consortium, folder: Path) -> list[Path]:
    """Write ``CODE/*.csv`` for each site, ``sites.json`` and ``truth.json``; the paths written."""
    written = []
    for code, tables in consortium.tables.items():
        written += write_site(tables, folder / code)
    sites = [_site_facts(laboratory.design) for laboratory in consortium.sites.values()]
    for name, content in (("sites.json", sites), ("truth.json", consortium.truth)):
        path = folder / name
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def write_site(tables: SiteTables, folder: Path) -> list[Path]:
    """Write the five tables of one site into ``folder``, which is made where missing."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in tables.by_name().items():
        path = folder / f"{name}.csv"
        table.to_csv(path, index=False, encoding="utf-8", lineterminator="\n")
        written.append(path)
    return written


def _site_facts(design: SiteDesign) -> dict[str, object]:
    """What must be known of a site before its tables can be taken."""
    return {
        "code": design.code,
        "name": design.name,
        "country": design.country,
        "time_zone": design.time_zone,
        "languages": [design.language],
        "consent_version": CONSENT_VERSION,
        "plasma_platform": f"{design.code} targeted LC-MS/MS panel",
        "serum_platform": f"{design.code} clinical chemistry",
    }
