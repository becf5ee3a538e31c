"""The nearest known name, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str:
    """A question to put into a message after the unknown word, or nothing.

    >>> nearest("plsma", ["plasma", "serum"])
    ' (did you mean "plasma"?)'
    """
    folded = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f' (did you mean "{folded[close[0]]}"?)' if close else ""
