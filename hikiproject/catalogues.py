"""The languages' catalogues: kept as text in ``locale/``, compiled where the platform runs.

A language is added by a folder ``locale/CODE/LC_MESSAGES/django.po`` and its line in LANGUAGES.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import polib

KEPT = Path(__file__).resolve().parent.parent / "locale"


def compile_into(folder: Path) -> str:
    """Compile each catalogue that is not compiled yet; return the folder for LOCALE_PATHS.

    The folder is named by the catalogues' content, so that a process of an older version that
    still runs beside this one keeps its own words.
    """
    texts = sorted(KEPT.glob("*/LC_MESSAGES/django.po"))
    digest = hashlib.sha256(b"".join(text.read_bytes() for text in texts)).hexdigest()[:12]
    made = folder / digest
    for text in texts:
        target = made / text.relative_to(KEPT).with_suffix(".mo")
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            # Two starts at once: each writes a file of its own, and the last to end wins.
            draft = target.with_suffix(f".{os.getpid()}")
            polib.pofile(str(text)).save_as_mofile(str(draft))
            draft.replace(target)
    return str(made)
