"""Which columns each kind of table has, and how a file's header is matched to them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

from cohorts.ingest.facts import FeatureIndex
from cohorts.ingest.nearest import nearest
from cohorts.ingest.report import Findings
from cohorts.language.sentences import say
from cohorts.sprec import LETTERS_OF

MAX_ITEMS = 200


@dataclass(frozen=True)
class TableSpec:
    """The columns of one kind of table; ``items`` allows ``item_1``, ``item_2``, ..."""

    kind: str
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()
    items: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return self.required + self.optional


PARTICIPANTS = TableSpec(
    "participants",
    ("participant", "sex", "group", "enrolled_on"),
    (
        "birth_year",
        "age_years",
        "drug_free",
        "consent_version",
        "consent_signed_on",
        "consent_scopes",
    ),
)
SAMPLES = TableSpec(
    "samples",
    ("sample", "participant", "material"),
    (
        "collected_at",
        "tube",
        "spun_at",
        "frozen_at",
        "temperature",
        *LETTERS_OF,
        "fasting_hours",
        "haemolysis_index",
        "light_protected",
        "freeze_thaws",
        "parent",
        "visit",
    ),
)
ASSESSMENTS = TableSpec(
    "assessments",
    ("participant", "instrument", "assessed_on"),
    ("version", "language", "total", "visit"),
    items=True,
)
ASSAYS_WIDE = TableSpec("assays", ("sample",), ("sample_type", "injection_order", "batch"))
ASSAYS_LONG = TableSpec(
    "assays",
    ("sample", "feature", "value", "unit"),
    ("sample_type", "injection_order", "batch"),
)
REDCAP = replace(PARTICIPANTS, kind="redcap")
SPECS = {
    "participants": PARTICIPANTS,
    "redcap": REDCAP,
    "samples": SAMPLES,
    "assessments": ASSESSMENTS,
    "assays": ASSAYS_WIDE,
}

# The code of the fault of a column that would hold a name, a birth date or the like.
PERSONAL_DATA = "personal_data"

_PERSONAL_ALWAYS = frozenset(
    {"email", "telephone", "phone", "surname", "firstname", "lastname"}
    | {"birthdate", "birthday", "dob", "address"}
)
"""Personal wherever such a word stands in a header."""
_PERSONAL_WORDS = _PERSONAL_ALWAYS | frozenset(
    {"name", "fullname", "forename", "maidenname", "familyname", "givenname", "nickname"}
    | {"dateofbirth", "homeaddress", "street", "postcode", "zipcode", "tel", "mobile", "fax"}
    | {"cellphone", "mail", "mrn", "ssn", "mynumber", "geburtsdatum", "adresse", "telefon"}
    | {"indirizzo", "telefono", "cognome", "apellido", "direccion", "姓", "名"}
)
"""Personal when the header is that word alone."""
_PERSONAL_PAIRS = re.compile(
    r"\b(birth (date|day)|date (of )?birth|(e|electronic) mail|(phone|mobile|telephone) (no|number)"
    r"|(full|first|last|family|given|patient|participant|subject|person) name|post(al)? code"
    r"|(contact|kin|guardian|mother|father|spouse|partner|doctor|physician) name"
    r"|zip code|(home|postal|street|mail|email) address|medical record( number)?)\b"
)
_PERSONAL_JAPANESE = re.compile(
    "氏名|姓名|名前|フリガナ|ふりがな|生年月日|誕生日|住所|郵便番号|電話|携帯|メール|連絡先|マイナンバー"
    "|保険証|이름|생년월일|주소|전화|出生日期|地址|手机"
)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_ITEM = re.compile(r"item([1-9][0-9]{0,2})")


@lru_cache(maxsize=8192)  # each column of a wide table is asked for several times
def heading(name: str) -> str:
    """A header without case, width, white space, underscores and hyphens."""
    return re.sub(r"[\s_\-]+", "", unicodedata.normalize("NFKC", name).casefold())


def checkbox_column(name: str, code: str) -> str:
    """The column of one choice of a REDCap checkbox: a minus is written as an underscore."""
    return f"{name}___{re.sub(r'[^a-z0-9_]', '_', code.casefold())}"


def is_personal(header: str) -> bool:
    """Whether a column of that name would hold a name, birth date, address, telephone, e-mail."""
    text = unicodedata.normalize("NFKC", header)
    words = re.sub(r"[\W_]+", " ", _CAMEL.sub(" ", text).casefold()).strip()
    return bool(
        heading(header) in _PERSONAL_WORDS
        or _PERSONAL_PAIRS.search(words)
        or _PERSONAL_ALWAYS & set(words.split())
        or _PERSONAL_JAPANESE.search(text)
    )


def refuse_personal(
    headers: Iterable[str], findings: Findings, *, features: FeatureIndex | None = None
) -> None:
    """A fault for each column of personal data; a feature's own name is never one."""
    for header in headers:
        if is_personal(header) and not (features and features.find(header)):
            findings.fault(
                None,
                header,
                PERSONAL_DATA,
                say("personal data are not taken; remove this column and send study codes alone."),
            )


def match_columns(
    headers: Iterable[str],
    spec: TableSpec,
    findings: Findings,
    *,
    mapping: Mapping[str, str] | None = None,
    extra: Iterable[str] = (),
    ignore_unknown: bool = False,
) -> dict[str, str]:
    """Standard name -> header as sent, with a fault for every column missing, unknown or doubled.

    ``mapping`` gives the site's own header for a standard name and goes before a column that
    happens to carry the standard name. ``extra`` are further headers that the caller takes.
    """
    headers = list(headers)
    refuse_personal(headers, findings)
    matched, taken = _mapped(headers, spec, mapping or {}, findings)
    standard = {heading(name): name for name in spec.names}
    extra_headings = {heading(name): name for name in extra}
    for header in headers:
        if header in taken or is_personal(header):
            continue
        name = standard.get(heading(header)) or _item_name(header, spec)
        name = name or extra_headings.get(heading(header))
        if name is None:
            if not ignore_unknown:
                _fault_unknown(header, spec, (*spec.names, *extra), findings)
        elif name not in matched:
            matched[name] = header
        elif name not in (mapping or {}):
            findings.fault(
                None,
                header,
                "duplicate_column",
                say('also read from "%(matched)s"; keep one.', matched=matched[name]),
            )
    _fault_missing(spec, matched, extra, mapping or {}, findings)
    return matched


def _mapped(
    headers: list[str], spec: TableSpec, mapping: Mapping[str, str], findings: Findings
) -> tuple[dict[str, str], set[str]]:
    by_heading = {heading(header): header for header in headers}
    matched: dict[str, str] = {}
    for name, own in mapping.items():
        if name not in spec.names and not _item_name(name, spec):
            findings.fault(
                None,
                name,
                "unknown_mapping",
                say(
                    "the mapping names a column that %(kind)s tables do not have%(name)s; "
                    "correct the mapping.",
                    kind=spec.kind,
                    name=nearest(name, spec.names),
                ),
            )
        elif own in headers or heading(own) in by_heading:
            matched[name] = own if own in headers else by_heading[heading(own)]
    return matched, set(matched.values())


def _item_name(header: str, spec: TableSpec) -> str | None:
    item = _ITEM.fullmatch(heading(header)) if spec.items else None
    return f"item_{item[1]}" if item and int(item[1]) <= MAX_ITEMS else None


def _fault_unknown(
    header: str, spec: TableSpec, known: tuple[str, ...], findings: Findings
) -> None:
    findings.fault(
        None,
        header,
        "unknown_column",
        say(
            "not a column of %(kind)s tables%(near)s; rename it, map it or leave it out.",
            kind=spec.kind,
            near=nearest(header, known),
        ),
    )


def _fault_missing(
    spec: TableSpec,
    matched: Mapping[str, str],
    extra: Iterable[str],
    mapping: Mapping[str, str],
    findings: Findings,
) -> None:
    for name in (*spec.required, *extra):
        if name not in matched:
            own = say(' (mapped to "%(own)s")', own=mapping[name]) if name in mapping else ""
            findings.fault(
                None,
                name,
                "missing_column",
                say(
                    "the table has no such column%(own)s; add it, or map the name that you "
                    "use to it.",
                    own=own,
                ),
            )
