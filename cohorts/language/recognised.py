"""A plain English text in another language: found again among the templates of the catalogue.

What the numerical core, readers of laboratories' files and the API say is written as text and kept
in columns of tables, without what it was made of. Its templates are in the catalogue all the same
(`hikiproject.words` reads them off the code), so the values are where the template has holes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

import polib
from django.conf import settings
from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

from cohorts.language.local_figures import value_in_locale

LONGEST = 2_000  # of a text: patterns with several holes take their time on longer ones
DEEPEST = 4  # sentences in sentences
LEAST_LETTERS = 7  # of a template outside of its holes, or anything would be of its kind
HOLE = re.compile(r"%\((\w+)\)[sd]")
ARMS = frozenset({_("cases"), _("controls")})  # single words in sentences that are said too
SENTENCES = re.compile(r"(?<=\.) (?=[A-Z\"'])")


@dataclass(frozen=True)
class Template:
    """A sentence with holes, how texts of it look, and a piece that each of them has."""

    text: str
    pattern: re.Pattern[str]
    piece: str


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
    return _of_template(text, language, depth) or _in_parts(text, language, depth)


def _of_template(text: str, language: str, depth: int) -> str:
    for template in _templates(str(settings.LOCALE_PATHS[0]), language):
        found = template.piece in text and template.pattern.fullmatch(text)
        if found:
            values = {
                name: _value(value, language, depth) for name, value in found.groupdict().items()
            }
            return gettext(template.text) % values
    return ""


def _value(value: str, language: str, depth: int) -> str:
    words = " " in value and any(each.isalpha() for each in value)
    return _said(value, language, depth - 1) if words or value in ARMS else value_in_locale(value)


def _in_parts(text: str, language: str, depth: int) -> str:
    """Sentences side by side, reasons in a row, or a reason behind the name that it is of."""
    for parts, between in (
        (SENTENCES.split(text), "" if language == "ja" else " "),
        (text.split("; "), "；" if language == "ja" else "; "),
    ):
        said = [_said(part, language, depth - 1) for part in parts]
        if len(parts) > 1 and said != parts:
            return between.join(said)
    name, colon, reason = text.partition(": ")
    said_reason = _said(reason, language, depth - 1) if colon and reason else reason
    return f"{name}: {said_reason}" if said_reason != reason else text


@cache
def _templates(folder: str, language: str) -> tuple[Template, ...]:
    """Those of the catalogue, the most telling first."""
    path = Path(folder) / language / "LC_MESSAGES" / "django.mo"
    if not path.exists():
        return ()
    found = [each.msgid for each in polib.mofile(str(path)) if HOLE.search(each.msgid)]
    told = {text: _letters(text) for text in found}
    kept = sorted((text for text in found if told[text] >= LEAST_LETTERS), key=lambda t: -told[t])
    return tuple(_template(text) for text in kept)


def _letters(text: str) -> int:
    return sum(each.isalpha() for each in HOLE.sub("", text))


def _template(text: str) -> Template:
    pieces = HOLE.split(text)  # words, name, words, name, ..., words
    seen: set[str] = set()
    pattern = ""
    for n, piece in enumerate(pieces):
        if n % 2 == 0:
            pattern += re.escape(piece.replace("%%", "%"))
        else:
            pattern += f"(?P={piece})" if piece in seen else f"(?P<{piece}>.+?)"
            seen.add(piece)
    longest = max((piece.replace("%%", "%") for piece in pieces[::2]), key=len)
    return Template(text, re.compile(pattern, re.DOTALL), longest)
