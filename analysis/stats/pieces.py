"""Work cut into pieces: what is gathered must be each piece once, in whatever order."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from analysis.stats.errors import UnusableData

Piece = TypeVar("Piece")
Key = TypeVar("Key")


def complete(
    pieces: Iterable[Piece], expected: Sequence[Key], key: Callable[[Piece], Key], what: str
) -> list[Piece]:
    """The pieces in the order expected, each of them exactly once.

    Raises
    ------
    UnusableData
        A piece that is missing, came twice or was not asked for.
    """
    arrived = list(pieces)
    count = Counter(key(piece) for piece in arrived)
    wrong = {
        "missing": [one for one in expected if not count[one]],
        "twice": [one for one in expected if count[one] > 1],
        "not asked for": [one for one in count if one not in set(expected)],
    }
    said = "; ".join(f"{how}: {', '.join(map(str, ones))}" for how, ones in wrong.items() if ones)
    if said:
        raise UnusableData(f"Each {what} is gathered once. {said}. Compute these again.")
    by_key = {key(piece): piece for piece in arrived}
    return [by_key[one] for one in expected]
