"""What every correction of a record refuses, whichever record it is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date

from cohorts.errors import ChangedMeanwhile, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import Participant, Withdrawal


def refuse_erased(person: Participant, today: date) -> None:
    """Raises UnusableRequest for somebody who has asked to be erased."""
    standing = Withdrawal.objects.filter(participant=person).effective(today)
    if standing.filter(level=Withdrawal.Level.ERASE).exists():
        raise UnusableRequest(
            say("%(person)s has asked to be erased; nothing is corrected.", person=person.code)
        )


def refuse_without_reason(reason: str) -> None:
    """Raises UnusableRequest where nobody says why."""
    if not reason.strip():
        raise UnusableRequest(say("Say why the record is corrected."))


def refuse_strange(changes: Collection[str], correctable: Collection[str]) -> None:
    """Raises UnusableRequest for the first field that is not one of the ``correctable``."""
    if strange := sorted(set(changes) - set(correctable)):
        raise UnusableRequest(
            say(
                "%(strange)s is not corrected here; what can be is %(correctable)s.",
                strange=repr(strange[0]),
                correctable=", ".join(correctable),
            )
        )


def refuse_older(person: Participant, now: int, version: int) -> None:
    """Raises ChangedMeanwhile where the record's version is another than the one that was seen."""
    if version != now:
        raise ChangedMeanwhile(
            say(
                "%(person)s was changed meanwhile (it is version %(now)s, you "
                "have seen %(version)s): look at it again, then correct it.",
                person=person.code,
                now=now,
                version=version,
            )
        )
