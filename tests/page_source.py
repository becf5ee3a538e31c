"""The source of a page without its layout, to compare what stands in it."""

from __future__ import annotations

import re


def flat(page: str) -> str:
    """Whitespace beside tags taken out, any other as one space."""
    return re.sub(r" ?(<[^>]+>) ?", r"\1", " ".join(page.split()))
