"""Why a row or a number is hidden, in words that tell nothing of what they hide.

A row on few people and one from which it could be worked out have the same words: told apart, the
second would say that it is large, and with the sum of both how small the first is at least.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

from cohorts.language.sentences import say


class Why(IntEnum):
    """As a table's row is marked with it; told rows with nothing."""

    TOLD = 0
    FEW = 1
    EARLIER = 2
    DOMINATED = 3
    INSIDER = 4
    OTHER_PEOPLE = 5
    NO_RULE = 6


Whys = npt.NDArray[np.uint8]

WORDS = {
    Why.FEW: say("hidden: it, or what could be worked out with it, rests on too few people"),
    Why.EARLIER: say(
        "hidden: beside an earlier release it, or what could be worked out with it, would tell of "
        "the few people who came or went since"
    ),
    Why.DOMINATED: say("hidden: one or two sites give nearly all of it"),
    Why.INSIDER: say(
        "hidden from people of its sites: less their own participants it would tell of others"
    ),
    Why.OTHER_PEOPLE: say("hidden: no row of the same people is told in the table beside it"),
    Why.NO_RULE: say("hidden: there is no rule yet by which it may be told"),
}
HIDDEN = frozenset(str(words) for words in WORDS.values())
_BY_MARK = np.array(["", *(WORDS[why] for why in list(Why)[1:])], dtype=object)


def words_of(whys: Whys) -> npt.NDArray[np.object_]:
    """The words of each row's mark."""
    found: npt.NDArray[np.object_] = _BY_MARK[whys]
    return found
