"""The nearest known name, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable

from cohorts.language.sentences import say

# Shares of the letters that two words have in common, as difflib counts them.
_LEAST = 0.6
_AHEAD = 0.1


def without_zeros(code: str, known: Container[str]) -> str:
    """Words for a code whose leading zeros a spreadsheet has taken; nothing where it has not."""
    if not code.isdecimal():
        return ""
    for width in range(len(code) + 1, len(code) + 8):
        if code.zfill(width) in known:
            return say(
                ' (a spreadsheet has taken its leading zeros: it is "%(code)s"; '
                "format the column as text)",
                code=code.zfill(width),
            )
    return ""


def nearest(word: str, known: Iterable[str]) -> str:
    """A question to put into a message after the unknown word, or nothing.

    Nothing too where another name is nearly as near: one out of several codes of people, or of
    two groups, would lead to the wrong one.

    >>> nearest("plsma", ["plasma", "serum"])
    ' (did you mean "plasma"?)'
    >>> nearest("F020", ["F001", "F002"])
    ''
    """
    folded, word = {name.casefold(): name for name in known}, word.casefold()
    close = difflib.get_close_matches(word, folded, n=2, cutoff=_LEAST)
    if not close:
        return ""
    if len(close) > 1 and _alike(word, close[0]) - _alike(word, close[1]) < _AHEAD:
        return ""
    return say(' (did you mean "%(known)s"?)', known=folded[close[0]])


def _alike(word: str, name: str) -> float:
    # In the order in which `get_close_matches` compares.
    return difflib.SequenceMatcher(None, name, word).ratio()
