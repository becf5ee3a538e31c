"""Units of concentration: which are known, and the exact factor between two of them.

The grammar is an allow-list of its own rather than a general units package, which would read a
typing error as some unit nobody meant (``M`` as a mega of nothing, ``AU`` as a length). All
arithmetic is on fractions, so a factor is exact to the last bit of the float it ends in.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from cohorts.ingest.nearest import nearest
from cohorts.language.sentences import say

RELATIVE = "relative"
_RELATIVE_WORDS = frozenset(
    {"relative", "rel", "a.u.", "au", "a.u", "arbitrary", "arb. units", "peak area", "area"}
    | {"intensity", "peak intensity", "counts", "peak height", "relative units"}
)
_PREFIXES = {
    "": Fraction(1),
    "k": Fraction(10**3),
    "d": Fraction(1, 10),
    "c": Fraction(1, 100),
    "m": Fraction(1, 10**3),
    "u": Fraction(1, 10**6),
    "mc": Fraction(1, 10**6),
    "n": Fraction(1, 10**9),
    "p": Fraction(1, 10**12),
    "f": Fraction(1, 10**15),
}
# Enzyme activity: 1 U turns over 1 µmol a minute, 1 kat 1 mol a second. For an enzyme IU is U.
_TOPS = {
    "mol": ("mol", Fraction(1)),
    "g": ("g", Fraction(1)),
    "U": ("kat", Fraction(1, 60 * 10**6)),
    "IU": ("kat", Fraction(1, 60 * 10**6)),
    "kat": ("kat", Fraction(1)),
}
_BOTTOMS = {"L": ("L", Fraction(1)), "l": ("L", Fraction(1)), "g": ("/g", Fraction(1))}
_RATIO = re.compile(r"(k|d|c|mc|[munpf])?(mol|g|U|IU|kat)/(k|d|c|mc|[munpf])?(L|l|g)")
_MOLAR = re.compile(r"([munp])?M")
# Units that stand alone: they convert to nothing but themselves.
_OTHERS = (
    "%",
    "ratio",
    "NPX",
    "mmHg",
    "kPa",
    "bpm",
    "score",
    "mEq/L",
    "kg/m2",
    "fL",
    "10^9/L",
    "10^12/L",
    "mL/min/1.73m2",
    "mmol/mol",
)
_COMMON = ("umol/L", "mmol/L", "nmol/L", "mg/dL", "mg/L", "ug/mL", "ng/mL", "pg/mL", "g/L", "U/L")


class UnitMismatch(ValueError):
    """A unit that is unknown, or that does not fit the one it is to become."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


@dataclass(frozen=True)
class _Unit:
    """``scale`` in the base units of ``top`` over ``bottom``: mol, g or kat over L or /g."""

    top: str
    bottom: str
    scale: Fraction


@lru_cache(maxsize=1024)
def spelled(unit: str) -> str:
    """The unit in one spelling: ``µmol/l``, ``μmol/L``, ``mcmol/L`` are all ``umol/L``."""
    text = unicodedata.normalize("NFKC", unit).strip().replace("μ", "u")
    if " ".join(text.casefold().split()) in _RELATIVE_WORDS:
        return RELATIVE
    compact = re.sub(r"\s*/\s*", "/", text)
    ratio = _RATIO.fullmatch(compact)
    if ratio:
        top, bottom = (ratio[i] or "" for i in (1, 3))
        volume = "L" if ratio[4] in "Ll" else "g"
        return (
            f"{'u' if top == 'mc' else top}{ratio[2]}/{'u' if bottom == 'mc' else bottom}{volume}"
        )
    return compact


def is_known(unit: str) -> bool:
    """Whether the unit is on the allow-list."""
    name = spelled(unit)
    return name == RELATIVE or name in _OTHERS or _parse(name) is not None


def factor_to(unit: str, canonical_unit: str, molar_mass: float | None = None) -> float:
    """What a value in ``unit`` is multiplied by to be in ``canonical_unit``.

    Parameters
    ----------
    molar_mass : float, g/mol
        Needed between mass and amount of substance.

    Raises
    ------
    UnitMismatch
        A unit is unknown, one is relative and the other not, an activity meets a mass or an
        amount, or the molar mass is needed and missing.
    """
    sent, wanted = spelled(unit), spelled(canonical_unit)
    if sent == wanted and is_known(sent):
        return 1.0
    if RELATIVE in (sent, wanted):
        raise UnitMismatch(
            say(
                '"%(unit)s" does not convert to %(canonical_unit)s: a peak area is no '
                "concentration; keep it relative.",
                unit=unit,
                canonical_unit=canonical_unit,
            )
        )
    of, to = _parse(sent), _parse(wanted)
    if of is None and sent not in _OTHERS:
        raise UnitMismatch(
            say(
                '"%(unit)s" is not a known unit%(spelled)s; write it as umol/L, mg/dL, '
                "ng/mL, U/L, ..., or relative.",
                unit=unit,
                spelled=nearest(spelled(unit), _COMMON),
            )
        )
    if of is None or to is None or of.bottom != to.bottom:
        raise UnitMismatch(
            say(
                '"%(unit)s" does not convert to %(canonical_unit)s; send %(canonical_unit)s.',
                unit=unit,
                canonical_unit=canonical_unit,
            )
        )
    return float(of.scale / to.scale * _bridge(of, to, unit, canonical_unit, molar_mass))


def _bridge(
    of: _Unit, to: _Unit, unit: str, canonical_unit: str, molar_mass: float | None
) -> Fraction:
    if of.top == to.top:
        return Fraction(1)
    if "kat" in (of.top, to.top):
        raise UnitMismatch(
            say(
                '"%(unit)s" does not convert to %(canonical_unit)s: an activity is not '
                "an amount; send %(canonical_unit)s, or name it as another feature.",
                unit=unit,
                canonical_unit=canonical_unit,
            )
        )
    if molar_mass is None or molar_mass <= 0:
        raise UnitMismatch(
            say(
                '"%(unit)s" does not convert to %(canonical_unit)s without a molar '
                "mass, and none is on record; send %(canonical_unit)s.",
                unit=unit,
                canonical_unit=canonical_unit,
            )
        )
    # The decimal text of the mass, not the binary float beside it, is what the book says.
    mass = Fraction(repr(float(molar_mass)))
    return 1 / mass if of.top == "g" else mass


@lru_cache(maxsize=1024)
def _parse(name: str) -> _Unit | None:
    molar = _MOLAR.fullmatch(name)
    if molar:
        return _Unit("mol", "L", _PREFIXES[molar[1] or ""])
    ratio = _RATIO.fullmatch(name)
    if ratio is None:
        return None
    top, top_scale = _TOPS[ratio[2]]
    bottom, bottom_scale = _BOTTOMS[ratio[4]]
    scale = _PREFIXES[ratio[1] or ""] * top_scale / (_PREFIXES[ratio[3] or ""] * bottom_scale)
    return _Unit(top, bottom, scale)
