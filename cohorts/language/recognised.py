"""A plain English text in another language: found again among the templates of the catalogue.

What the numerical core, readers of laboratories' files and the API say is written as text and kept
in columns of tables, without what it was made of. Its templates are in the catalogue all the same
(`hikiproject.words` reads them off the code), so the values are where the template has holes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import django
import polib
from django.conf import settings
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

from cohorts.language.local_figures import value_in_locale

NUMBER = "number"  # a hole that takes one word
NOUN = "kind_of_record"  # a hole that takes a name of the catalogue, of one word or of several
LONGEST = 2_000  # of a text: patterns with several holes take their time on longer ones
DEEPEST = 4  # sentences in sentences
LEAST_LETTERS = 7  # of a template outside of its holes, or anything would be of its kind
HOLE = re.compile(r"%\((\w+)\)[sd]")
BRACES = re.compile(r"\{(\w+)(?::\w+)?\}")  # as Django REST framework writes its holes
# Whose messages are told through the API; their catalogues are merged with ours.
LIBRARIES = ("rest_framework/locale", "django/conf/locale")
# Single words in sentences that are said too: arms, and what handling may be.
SINGLE = frozenset({_("cases"), _("controls"), _("suspect")})
IN_A_ROW = "; "  # between reasons
SENTENCES = re.compile(r"(?<=\.) (?=[A-Z\"'])")


@dataclass(frozen=True)
class Template:
    """A sentence with holes, how texts of it look, and a piece that each of them has.

    ``key`` finds it in the catalogue: the singular of a sentence with a number.
    """

    text: str
    pattern: re.Pattern[str]
    piece: str
    key: str

    def filled(self, values: Mapping[str, str]) -> str:
        """In the active language, with these values in its holes."""
        words = gettext(self.key)
        return words % values if HOLE.search(self.text) else words.format(**values)


def recognised(text: str) -> str:
    """The text in the active language; as it stands where no template is its own."""
    language = get_language() or "en"
    if language.startswith("en") or not 0 < len(text) <= LONGEST:
        return text
    return _said(text, language, DEEPEST)


@lru_cache(maxsize=4_096)
def _said(text: str, language: str, depth: int) -> str:
    known = gettext(text)
    if known != text or depth == 0:
        return known
    return (
        _of_template(text, language, depth, reasons=False)
        or _every_one(SENTENCES.split(text), _sentence_mark(language), language, depth)
        or _every_one(text.split(IN_A_ROW), _row_mark(language), language, depth)
        or _of_template(text, language, depth, reasons=True)
        or _begun_small(text, language, depth)
        or _in_parts(text, language, depth)
    )


def _begun_small(text: str, language: str, depth: int) -> str:
    """A reason that was made a sentence, by a capital and a full stop."""
    small = f"{text[0].lower()}{text[1:]}".removesuffix(".")
    known = _of_template(small, language, depth, reasons=False) if text[0].isupper() else ""
    return known + ("。" if language == "ja" else ".") * text.endswith(".") if known else ""


def _of_template(text: str, language: str, depth: int, *, reasons: bool) -> str:
    """What a template says; ``reasons`` is whether one of its holes may hold several in a row."""
    for template in _templates(str(settings.LOCALE_PATHS[0]), language):
        found = template.piece in text and template.pattern.fullmatch(text)
        if found and (reasons or not any(IN_A_ROW in value for value in found.groups())):
            values = {
                name: gettext(value) if name == NOUN else _value(value, language, depth)
                for name, value in found.groupdict().items()
            }
            return template.filled(values)
    return ""


def _every_one(parts: Sequence[str], between: str, language: str, depth: int) -> str:
    """Sentences or reasons, where each is known: else one template may swallow half of the next."""
    said = [_said(part, language, depth - 1) for part in parts]
    known = len(parts) > 1 and all(a != b for a, b in zip(parts, said, strict=True))
    return between.join(said) if known else ""


def _sentence_mark(language: str) -> str:
    return "" if language == "ja" else " "


def _row_mark(language: str) -> str:
    return "；" if language == "ja" else IN_A_ROW


def _value(value: str, language: str, depth: int) -> str:
    return _said(value, language, depth - 1) if is_said(value) else value_in_locale(value)


def is_said(value: str) -> bool:
    """Whether a value filled into a sentence is words and not a code, a number or a date."""
    return value in SINGLE or (" " in value and any(each.isalpha() for each in value))


def _in_parts(text: str, language: str, depth: int) -> str:
    """Sentences side by side, reasons in a row, or a reason behind the name that it is of."""
    for parts, between in (
        (SENTENCES.split(text), _sentence_mark(language)),
        (text.split(IN_A_ROW), _row_mark(language)),
    ):
        said = [_said(part, language, depth - 1) for part in parts]
        if len(parts) > 1 and said != parts:
            return between.join(said)
    name, colon, reason = text.partition(": ")
    said_reason = _said(reason, language, depth - 1) if colon and reason else reason
    return f"{name}: {said_reason}" if said_reason != reason else text


@cache
def _templates(folder: str, language: str) -> tuple[Template, ...]:
    """Those of the catalogues, the most telling first."""
    root = Path(django.__file__).parent.parent
    found: dict[str, str] = {}
    for place in (*(root / library for library in LIBRARIES), Path(folder)):
        path = place / language / "LC_MESSAGES" / "django.mo"
        for each in polib.mofile(str(path)) if path.exists() else ():
            texts = (each.msgid, each.msgid_plural) if each.msgid_plural else (each.msgid,)
            found |= dict.fromkeys(texts, each.msgid)
    told = {text: _letters(text) for text in found if _hole(text).search(text)}
    kept = sorted((text for text in told if told[text] >= LEAST_LETTERS), key=lambda t: -told[t])
    return tuple(_template(text, found[text]) for text in kept)


def _hole(text: str) -> re.Pattern[str]:
    return HOLE if HOLE.search(text) else BRACES


def _letters(text: str) -> int:
    return sum(each.isalpha() for each in _hole(text).sub("", text))


def _template(text: str, key: str) -> Template:
    pieces = _hole(text).split(text)  # words, name, words, name, ..., words
    if _hole(text) is HOLE:
        pieces[::2] = [piece.replace("%%", "%") for piece in pieces[::2]]
    seen: set[str] = set()
    pattern = ""
    for n, piece in enumerate(pieces):
        if n % 2 == 0:
            pattern += re.escape(piece)
        else:
            # What stands before a sentence, such as file and line, is no value at its head.
            value = "(?:(?!: ).)+?" if n == 1 and not pieces[0] else ".+?"
            value = r"\S+?" if piece == NUMBER else value
            pattern += f"(?P={piece})" if piece in seen else f"(?P<{piece}>{value})"
            seen.add(piece)
    longest = max(pieces[::2], key=len)
    return Template(text, re.compile(pattern, re.DOTALL), longest, key)
