"""How a blood sample was handled: its SPREC code and what may have changed it.

Delay, haemolysis, light and thawing imitate the published signature of hikikomori, so each is
told apart from "not recorded": a gap is never read as good handling.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cohorts import sprec
from cohorts.language.sentences import say
from cohorts.sprec import Temperature

MOST_DELAY_HOURS = 2.0
MOST_FREEZE_THAWS = 2
HAEMOLYSIS_LIMIT = 50.0
"""Free haemoglobin in mg/dL; analysers differ, so a site with a limit of its own passes it."""


@dataclass(frozen=True)
class Handling:
    """The recorded facts; None and "" are "not recorded". Both times aware, or both naive.

    ``thaws_seen`` are the thaws recorded of a tube whose count before that nobody knows.
    """

    material: str = ""
    tube: str = ""
    collected_at: datetime | None = None
    spun_at: datetime | None = None
    frozen_at: datetime | None = None
    temperature: Temperature | None = None
    haemolysis_index: float | None = None
    light_protected: bool | None = None
    freeze_thaws: int | None = None
    thaws_seen: int = 0
    centrifugation: str = ""
    second_centrifugation: str = ""
    storage: str = ""

    @property
    def delay_hours(self) -> float | None:
        """Hours from collection to separation; None when unknown or impossible (negative)."""
        return _hours(self.collected_at, self.spun_at)

    @property
    def sprec_facts(self) -> sprec.Facts:
        """What the code is made of."""
        after = _hours(self.spun_at, self.frozen_at)
        return sprec.Facts(
            material=self.material,
            tube=self.tube,
            before_hours=self.delay_hours,
            after_hours=after,
            temperature=self.temperature,
            spin=self.centrifugation,
            second_spin=self.second_centrifugation,
            storage=self.storage,
        )


def _hours(first: datetime | None, second: datetime | None) -> float | None:
    if first is None or second is None:
        return None
    hours = (second - first).total_seconds() / 3600
    return hours if hours >= 0 else None


@dataclass(frozen=True)
class HandlingFlag:
    """One departure from good handling: ``code`` for programs, ``reason`` for people."""

    code: str
    reason: str


@dataclass(frozen=True)
class HandlingJudgement:
    """``sprec_delay``: a letter, two when the temperature alone is unknown (``A/B``), X or Z.

    ``sprec``: the whole code, of which that is the third element. ``gaps`` names the facts
    without which nothing can be said of them.
    """

    sprec_delay: str
    sprec: str
    flags: tuple[HandlingFlag, ...]
    gaps: tuple[str, ...]


def judge(handling: Handling, *, haemolysis_limit: float = HAEMOLYSIS_LIMIT) -> HandlingJudgement:
    """The code, the flags and the gaps of one sample."""
    return HandlingJudgement(
        sprec_delay=sprec.letter(handling.delay_hours, handling.temperature, sprec.BEFORE),
        sprec=sprec.code(handling.sprec_facts),
        flags=_flags(handling, haemolysis_limit),
        gaps=_gaps(handling),
    )


def _flags(handling: Handling, haemolysis_limit: float) -> tuple[HandlingFlag, ...]:
    flags = []
    delay, index = handling.delay_hours, handling.haemolysis_index
    if delay is not None and delay > MOST_DELAY_HOURS:
        flags.append(
            HandlingFlag(
                "late_spin",
                say(
                    "spun %(delay)s h after collection (over %(most_delay_hours)s h): "
                    "arginine falls and ornithine rises on the cells.",
                    delay=format(delay, ".1f"),
                    most_delay_hours=format(MOST_DELAY_HOURS, "g"),
                ),
            )
        )
    if index is not None and index > haemolysis_limit:
        flags.append(
            HandlingFlag(
                "haemolysed",
                say(
                    "haemolysis index %(index)s (over %(haemolysis_limit)s): red cells free "
                    "arginase.",
                    index=format(index, "g"),
                    haemolysis_limit=format(haemolysis_limit, "g"),
                ),
            )
        )
    if handling.light_protected is False:
        flags.append(HandlingFlag("light", say("not protected from light: bilirubin falls.")))
    thaws = handling.thaws_seen if handling.freeze_thaws is None else handling.freeze_thaws
    if thaws > MOST_FREEZE_THAWS:
        flags.append(
            HandlingFlag(
                "thawed_often",
                say(
                    "thawed %(freeze_thaws)s times (over %(most_freeze_thaws)s).",
                    freeze_thaws=thaws,
                    most_freeze_thaws=MOST_FREEZE_THAWS,
                ),
            )
        )
    return tuple(flags)


def _gaps(handling: Handling) -> tuple[str, ...]:
    known = {
        "tube": handling.tube or None,
        "collected_at": handling.collected_at,
        "spun_at": handling.spun_at,
        "frozen_at": handling.frozen_at,
        "temperature": handling.temperature,
        "haemolysis_index": handling.haemolysis_index,
        "light_protected": handling.light_protected,
        "freeze_thaws": handling.freeze_thaws,
        "centrifugation": handling.centrifugation or None,
        "second_centrifugation": handling.second_centrifugation or None,
        "storage": handling.storage or None,
    }
    return tuple(name for name, value in known.items() if value is None)
