"""What a run computes anew and what it takes from earlier runs, by the digest of what was read."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.db import connection
from django.db.models.functions import Now

from analysis.models import Run, StepResult
from analysis.packing import Tree, unpack
from analysis.services.parts import Shared
from analysis.steps.pieces import Piece, digest


@dataclass
class Tally:
    """How many pieces of one kind a run took from where, and the seconds that they took."""

    kind: str
    computed: int = 0
    reused: int = 0
    seconds: float = 0.0


@dataclass
class KeptSteps:
    """Steps of one run. What it computes is kept when the run is published, and not before.

    Until then a withdrawal stops the run, and nothing of the person is left behind.
    """

    run: Run
    version: str
    shared: Shared
    made: dict[str, StepResult] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    tallies: dict[str, Tally] = field(default_factory=dict)

    def each(self, pieces: Sequence[Piece]) -> list[Tree]:
        if not pieces:
            return []
        started = time.monotonic()
        names = [digest(piece, self.shared.leaves, self.version) for piece in pieces]
        found = self._kept(names)
        missing = [at for at, name in enumerate(names) if name not in found]
        computed = self.shared.compute([pieces[at] for at in missing])
        packed = found | dict(zip((names[at] for at in missing), computed, strict=True))
        for at in missing:
            self._keep(names[at], pieces[at], packed[names[at]])
        results = [unpack(packed[name]) for name in names]
        for name, result in zip(names, results, strict=True):
            self.shared.leaves.adopt(result, name)
        self._count(pieces[0].kind, len(missing), len(found), time.monotonic() - started)
        return results

    def _kept(self, names: Collection[str]) -> dict[str, bytes]:
        rows = StepResult.objects.filter(digest__in=names).values_list("digest", "payload")
        found = {name: bytes(payload) for name, payload in rows}
        self.used |= found.keys()
        return found

    def _keep(self, name: str, piece: Piece, payload: bytes) -> None:
        self.made[name] = StepResult(
            study=self.run.plan.study,
            digest=name,
            kind=piece.kind,
            payload=payload,
            participant_ids=list(piece.people),
        )

    def _count(self, kind: str, computed: int, reused: int, seconds: float) -> None:
        tally = self.tallies.setdefault(kind, Tally(kind))
        tally.computed += computed
        tally.reused += reused
        tally.seconds += seconds

    def told(self) -> list[dict[str, object]]:
        """For the run's summary: by kind, in the order of the steps."""
        return [
            {
                "step": tally.kind,
                "computed": tally.computed,
                "reused": tally.reused,
                "total": tally.computed + tally.reused,
                "seconds": round(tally.seconds, 3),
            }
            for tally in self.tallies.values()
        ]

    def store(self) -> None:
        """Keep what was computed; inside the transaction that publishes the run."""
        StepResult.objects.bulk_create(self.made.values(), ignore_conflicts=True)
        StepResult.objects.filter(digest__in=self.used).update(last_used_at=Now())


def purge() -> int:
    """Delete what was kept of people who withdrew, what no run has used for long, and the excess.

    How many were deleted. Beyond the bound those go first that were used longest ago.
    """
    n_withdrawn, _ = StepResult.objects.of_withdrawn().delete()
    wait = timedelta(days=settings.KEEP_STEPS_DAYS)
    n_unused, _ = StepResult.objects.unused_for(wait).delete()
    return int(n_withdrawn + n_unused + _delete_excess(settings.KEEP_STEPS_BYTES))


def _delete_excess(most_bytes: int) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            DELETE FROM analysis_stepresult WHERE id IN (
                SELECT id FROM (
                    SELECT id, sum(octet_length(payload)) OVER (ORDER BY last_used_at DESC, id DESC)
                        AS so_far FROM analysis_stepresult
                ) AS kept WHERE so_far > %s
            )
            """,
            [most_bytes],
        )
        return int(cursor.rowcount)
