"""What a check must know of a site, as plain data that the caller reads from the records."""

from __future__ import annotations

import hmac
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

SCOPES = (
    "store_samples",
    "metabolomics",
    "share_consortium",
    "share_abroad",
    "recontact",
    "commercial",
)
"""What a participant can consent to; nothing else is a scope."""

_SEPARATORS = re.compile(r"[\s_\-‐‑–]+")
_GREEK = str.maketrans({"α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ω": "omega"})


@lru_cache(maxsize=8192)  # each column of a wide table is asked for several times
def normalise(name: str) -> str:
    """One spelling for names that differ in case, width, Greek letters and separators alone.

    ``"Uric_Acid"``, ``"uric-acid"`` and ``"uric acid"`` are one. Colons, commas, brackets and
    digits stay: C18:1 is not C18, and 1,2- is not 12-. A trailing ``*`` stays as well, since
    platforms write it after names that no standard has confirmed.
    """
    folded = name.lower()
    if not name.isascii():
        folded = unicodedata.normalize("NFKC", name).casefold().translate(_GREEK)
    return _SEPARATORS.sub(" ", folded).strip()


_IDENTIFIER = re.compile(
    r"HMDB:?\s?(?P<hmdb>[0-9]{5,7})(?![0-9])|CHEBI[:_ ]?\s?(?P<chebi>[0-9]{1,7})(?![0-9])"
    r"|(?<![A-Z])(?P<inchikey>[A-Z]{14}-[A-Z]{10}-[A-Z])(?![A-Z-])",
    re.IGNORECASE,
)
_EMPTY_BRACKETS = re.compile(r"[(\[{]\s*[|;,/]*\s*[)\]}]")


@lru_cache(maxsize=8192)
def identifiers_in(name: str) -> tuple[str, ...]:
    """HMDB, ChEBI and InChIKey identifiers that a name carries, in one spelling.

    >>> identifiers_in("Arginine (HMDB00517, CHEBI:16467)")
    ('HMDB0000517', 'CHEBI:16467')
    """
    found = []
    for match in _IDENTIFIER.finditer(name):
        if match["hmdb"]:
            found.append(f"HMDB{int(match['hmdb']):07}")
        elif match["chebi"]:
            found.append(f"CHEBI:{int(match['chebi'])}")
        else:
            found.append(match["inchikey"].upper())
    return tuple(dict.fromkeys(found))


def without_identifiers(name: str) -> str:
    """What a name says beside its identifiers."""
    return _EMPTY_BRACKETS.sub("", _IDENTIFIER.sub("", name)).strip(" |;,/_-")


@dataclass(frozen=True)
class ParticipantFacts:
    """A participant on the site's books.

    ``scopes`` are those of the consent in force; ``withdrawal_level`` runs from 0 (none) to 4
    (erased), and from 2 on no further data are taken. ``merged_into`` is the code under which this
    person's records are kept; ``left_on`` the day of the move to another site.
    """

    code: str
    scopes: frozenset[str]
    withdrawal_level: int = 0
    group: str = ""
    consented: bool = True
    merged_into: str = ""
    left_on: date | None = None


@dataclass(frozen=True)
class SampleFacts:
    code: str
    participant: str
    material: str


@dataclass(frozen=True)
class InstrumentFacts:
    """A scale: how many items it has and what an answer and a total may be (both inclusive).

    None means that the instrument has no such thing, or that nothing is known of it.
    """

    code: str
    n_items: int | None = None
    item_min: int | None = None
    item_max: int | None = None
    total_min: float | None = None
    total_max: float | None = None
    versions: frozenset[str] = frozenset()
    languages: frozenset[str] = frozenset()


@dataclass(frozen=True)
class ContextVariable:
    """A variable that the study declares, in the words of REDCap's data dictionary.

    ``choices`` are (code, label). ``branching`` says when it is asked at all, ``validation`` what
    a text must be, ``minimum`` and ``maximum`` its range; all as they were written.
    """

    name: str
    form: str
    kind: str
    label: str
    choices: tuple[tuple[str, str], ...] = ()
    calculation: str = ""
    validation: str = ""
    minimum: str = ""
    maximum: str = ""
    branching: str = ""
    required: bool = False
    annotation: str = ""


@dataclass(frozen=True)
class FeatureFacts:
    """What is measured; ``molar_mass`` in g/mol, ``kind`` such as metabolite, protein, enzyme."""

    name: str
    canonical_unit: str | None = None
    molar_mass: float | None = None
    kind: str = ""
    ignored: bool = False


@dataclass(frozen=True)
class FeatureIndex:
    """Finds a feature by an identifier in its name first, by any name or alias second.

    Keys of ``by_name`` are ``normalise``d, those of ``by_identifier`` are `identifiers_in` it.
    """

    by_name: Mapping[str, FeatureFacts] = field(default_factory=dict)
    by_identifier: Mapping[str, FeatureFacts] = field(default_factory=dict)

    def find(self, source_name: str) -> FeatureFacts | None:
        """The one feature that the name leads to; None where its parts lead to several."""
        found = self.candidates(source_name)
        return found[0] if len(found) == 1 else None

    def candidates(self, source_name: str) -> list[FeatureFacts]:
        """Every feature that an identifier in the name, or the name itself, stands for."""
        named = [self.by_identifier.get(each) for each in identifiers_in(source_name)]
        named.append(self.by_name.get(normalise(source_name)))
        if named[:-1]:
            named.append(self.by_name.get(normalise(without_identifiers(source_name))))
            # A name beside an identifier that nobody knows is no proof of identity.
            if not any(named[:-2]):
                named = named[-2:-1]
        return list(dict.fromkeys(each for each in named if each is not None))


@dataclass(frozen=True)
class ErasedCodes:
    """Tells whether a code is one that was erased, from keyed hashes alone.

    Plain data, since a check may run in another process; ``key`` is derived from the installation's
    and is of use for this only.
    """

    before: str = ""
    key: bytes = b""
    hashes: frozenset[str] = frozenset()

    def __call__(self, code: str) -> bool:
        named = f"{self.before}{code.casefold()}".encode()
        return bool(self.hashes) and (
            hmac.new(self.key, named, "sha256").hexdigest() in self.hashes
        )


@dataclass(frozen=True)
class SiteFacts:
    """The site that sends the table, and its books on the day of the check.

    ``today`` is the day at the site; mappings are keyed by code. ``assessed`` are the participant,
    instrument and day of every assessment on the books. ``corrects`` means that a row of a known
    record is not refused: the caller compares it with the record. ``ethics_until`` is the last day
    of the site's ethics approval; ``erased`` tells whether somebody was erased under that code.
    ``variables`` are those that the study's dictionary declares; ``platforms`` those with which
    the site has measured before.
    """

    site: str
    today: date
    groups: frozenset[str] = frozenset()
    participants: Mapping[str, ParticipantFacts] = field(default_factory=dict)
    samples: Mapping[str, SampleFacts] = field(default_factory=dict)
    instruments: Mapping[str, InstrumentFacts] = field(default_factory=dict)
    features: FeatureIndex = field(default_factory=FeatureIndex)
    assessed: frozenset[tuple[str, str, date]] = frozenset()
    corrects: bool = False
    ethics_until: date | None = None
    erased: ErasedCodes = field(default_factory=ErasedCodes)
    variables: tuple[ContextVariable, ...] = ()
    platforms: frozenset[str] = frozenset()
