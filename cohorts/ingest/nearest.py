"""The nearest known name, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable

from cohorts.language.sentences import say


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

    >>> nearest("plsma", ["plasma", "serum"])
    ' (did you mean "plasma"?)'
    """
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return say(' (did you mean "%(known)s"?)', known=folded[close[0]]) if close else ""
