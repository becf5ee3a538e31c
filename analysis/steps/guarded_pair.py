"""Which features are arginine and ornithine, whose ratio tells how blood was handled.

By their identifiers: a feature that is called anew stays under the guard.
"""

from __future__ import annotations

from collections.abc import Iterable

PAIR = {"arginine": "HMDB0000517", "ornithine": "HMDB0000214"}


def names_of_pair(features: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Marker -> what the dictionary calls it, of pairs of name and HMDB identifier.

    A feature without an identifier is known by the marker's own name.
    """
    known = dict.fromkeys(features)
    by_hmdb = {hmdb: name for name, hmdb in reversed(known) if hmdb}
    names = {name for name, _ in known}
    found = {}
    for marker, hmdb in PAIR.items():
        if hmdb in by_hmdb:
            found[marker] = by_hmdb[hmdb]
        elif marker in names:
            found[marker] = marker
    return found
