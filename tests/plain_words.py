"""Words of a template that no catalogue can translate: text outside of the translating tags."""

from __future__ import annotations

import re

DJANGO = re.compile(
    r"\{%\s*blocktranslate.*?endblocktranslate\s*%\}|\{%\s*comment.*?endcomment\s*%\}"
    r"|\{% block width %\}.*?\{% endblock %\}"  # a class, not a word
    r"|\{%.*?%\}|\{\{.*?\}\}|\{#.*?#\}",
    re.DOTALL,
)
UNSAID = re.compile(r"<(script|style|code)\b[^>]*>.*?</\1>|<!--.*?-->", re.DOTALL)
TAG = re.compile(r"<[^>]*>")
SPOKEN = re.compile(r'\b(?:aria-label|title|placeholder|alt)="([^"]*)"')
# Names, units and symbols that are the same in every language.
ALIKE = {
    "hikiproject", "API", "AUC", "CSV", "Excel", "Hedges", "SPREC", "UTC", "SHA", "SVG", "PNG",
    "g", "p", "q", "I²", "Q²", "R²", "Q", "L", "µL", "C", "XLSX", "HMDB", "ChEBI", "InChIKey",
}  # fmt: skip
HOLE = "\x00"


def plain_words(template: str) -> list[str]:
    """Each run of text that a person reads and no catalogue reaches."""
    text = DJANGO.sub(HOLE, UNSAID.sub("<>", template))
    spoken = [said for tag in TAG.findall(text) for said in SPOKEN.findall(tag)]
    runs = [piece for run in [*TAG.split(text), *spoken] for piece in run.split(HOLE)]
    return [run.strip() for run in runs if is_said(run)]


def is_said(run: str) -> bool:
    """Whether there is a word in it that differs between languages."""
    without = re.sub(r"&\w+;", " ", run)
    return any(word not in ALIKE for word in re.findall(r"[^\W\d_]+", without))
