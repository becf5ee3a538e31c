"""The ledger of erasures: tombstones that know a code again without holding it.

A tombstone carries a hash of study, site and code under a key of this installation. It lies in the
database and, a second time, in a file beside it: a restored backup is held against that file before
the service opens.
"""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.encoding import force_bytes

from cohorts.errors import UnusableRequest
from cohorts.ingest.facts import ErasedCodes
from cohorts.models import Participant, Site, Tombstone, Withdrawal

_SALT = "cohorts.erasure"


@dataclass(frozen=True)
class Stone:
    """A line of the ledger."""

    id: str
    site: str
    key: str
    level: int
    on: str


def key_of(site: Site, code: str) -> str:
    """The keyed hash under which that code is known again."""
    named = f"{site.study.code}|{site.code}|{code.casefold()}"
    salted = salted_hmac(_SALT, named, secret=settings.ERASURE_KEY, algorithm="sha256")
    return str(salted.hexdigest())


def erased_at(site: Site) -> ErasedCodes:
    """Tells whether somebody of that site was erased under a code, as `key_of` knows it again."""
    keys = frozenset(Tombstone.objects.filter(site=site).values_list("key", flat=True)) - {""}
    if not keys:
        return ErasedCodes()
    # As `salted_hmac` derives it.
    derived = hashlib.sha256(_SALT.encode() + force_bytes(settings.ERASURE_KEY)).digest()
    return ErasedCodes(f"{site.study.code}|{site.code}|", derived, keys)


def lay(site: Site, codes: Sequence[str], at: datetime, again: Stone | None) -> list[Tombstone]:
    """A tombstone for each code of one person, the first for the record that was kept."""
    day = date.fromisoformat(again.on) if again else timezone.localdate(at)
    return [
        Tombstone.objects.create(
            id=uuid.UUID(again.id) if again and n == 0 else uuid.uuid4(),
            site=site,
            key=key_of(site, code),
            level=Withdrawal.Level.ERASE,
            on=day,
        )
        for n, code in enumerate(codes)
    ]


def lay_again(stone: Stone) -> None:
    """The tombstone of somebody whom this database does not hold."""
    site = Site.objects.filter(code=stone.site).first()
    if site is not None:
        Tombstone.objects.create(
            id=uuid.UUID(stone.id), site=site, key=stone.key, level=stone.level, on=stone.on
        )


def write_down() -> int:
    """Append to the ledger file every tombstone that it lacks; how many. Safe to repeat."""
    stones = list(Tombstone.objects.exclude(key="").select_related("site").order_by("on", "pk"))
    if not stones:
        return 0
    known = {stone.id for stone in read()}
    lines = [
        json.dumps(asdict(Stone(str(s.pk), s.site.code, s.key, s.level, s.on.isoformat())))
        for s in stones
        if str(s.pk) not in known
    ]
    if lines:
        settings.ERASURE_LEDGER.parent.mkdir(parents=True, exist_ok=True)
        with settings.ERASURE_LEDGER.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
    return len(lines)


def read() -> list[Stone]:
    """Every line of the ledger. UnusableRequest names the line that is none."""
    try:
        text = settings.ERASURE_LEDGER.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    stones = []
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            stones.append(Stone(**json.loads(line)))
        except (ValueError, TypeError) as error:
            raise UnusableRequest(
                f"{settings.ERASURE_LEDGER.name}, line {number}: not a line of the ledger of "
                "erasures; restore the file."
            ) from error
    return stones


def unknown_here() -> list[Stone]:
    """Lines of the ledger that this database has no tombstone of."""
    here = {str(pk) for pk in Tombstone.objects.values_list("pk", flat=True)}
    return [stone for stone in read() if stone.id not in here]


def participant_of(stone: Stone) -> int | None:
    """Who of the site has the code that the line knows; None where nobody does."""
    site = Site.objects.filter(code=stone.site).select_related("study").first()
    if site is None:
        return None
    people = Participant.objects.filter(site=site).values_list("pk", "code").iterator()
    return next((pk for pk, code in people if key_of(site, code) == stone.key), None)
