"""The pieces of one step shared among workers: a row a part, claimed, computed, stored.

Whoever holds the run writes the parts and works at them too; others come when the bell rings, or
do not. No chord waits for anybody: that all parts are stored is found by a query.
"""

from __future__ import annotations

import logging
import math
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now

import analysis.pipeline  # noqa: F401 - it registers the functions of all pieces
from analysis.models import Run, RunPart
from analysis.packing import Tree, filled, pack, skeleton, unpack
from analysis.services import artefacts, bell, lease, snapshots
from analysis.stats.errors import UnusableData
from analysis.steps.permuting import forget_last
from analysis.steps.pieces import Leaves, Piece, compute_packed, one_thread, packed_result

logger = logging.getLogger(__name__)

# Shared where what is left takes this long: below it the telling costs more than the help brings.
SHARED_FROM_SECONDS = 0.5
PART_SECONDS = 0.15  # no part takes less: each is asked for, and stored, on its own
QUICK_SECONDS, FEW = 0.5, 8  # of many quick pieces two are timed
BELLS = 8  # helpers that are called; each that has helped for a while calls the next
HELP_SECONDS = 1.0
PAUSE_SECONDS = 0.02
ASKED_EVERY_SECONDS = 0.5  # whether a run may go on: for thousands of people that is no light query


class PartFailed(Exception):
    """A part was tried as often as we try; the message says how it ended."""


class Seldom:
    """Calls what raises when work must stop: at first, and when half a second has passed."""

    def __init__(self, ask: Callable[[], None]) -> None:
        self._ask, self._next = ask, 0.0

    def __call__(self) -> None:
        if time.monotonic() >= self._next:
            self._ask()
            self._next = time.monotonic() + ASKED_EVERY_SECONDS


@dataclass
class Shared:
    """The work of one holder of a run. ``check`` raises when the run must stop."""

    run: Run
    token: uuid.UUID
    leaves: Leaves
    check: Callable[[], None]
    n_parts: int = field(default=0)
    alone: bool = False  # the shared storage was away: it is not waited for a second time

    def compute(self, pieces: Sequence[Piece]) -> list[bytes]:
        """The packed result of each piece; the first ones are timed, and say whether to share."""
        results: list[bytes] = []
        check = Seldom(self.check)
        for at, piece in enumerate(pieces):
            started = time.monotonic()
            results.append(packed_result(piece, self.leaves))
            took, rest = time.monotonic() - started, pieces[at + 1 :]
            if at == 0 and took < QUICK_SECONDS and len(rest) > FEW:
                continue  # it also made arrays ready, which the next one finds
            if not self.alone and len(rest) > 1 and took * len(rest) >= SHARED_FROM_SECONDS:
                n_a_part = math.ceil(PART_SECONDS / took)
                return results + self._share(rest, n_a_part)
            if took >= PART_SECONDS:
                check()
        return results

    def _share(self, pieces: Sequence[Piece], n_a_part: int) -> list[bytes]:
        first = self.n_parts
        cut = [pieces[at : at + n_a_part] for at in range(0, len(pieces), n_a_part)]
        folder = artefacts.folder_of(self.run.pk, self.token)
        saved: dict[str, str] = {}
        try:
            told = [[self._told(piece, folder, saved) for piece in part] for part in cut]
        except artefacts.StorageAway as error:
            # What nobody can fetch, nobody can help with: slower, but what is owed gets done.
            logger.warning("run %s: computed by one worker alone (%s)", self.run.pk, error)
            self.alone = True
            return self.compute(pieces)
        RunPart.objects.bulk_create(
            RunPart(run=self.run, token=self.token, ordinal=first + at, inputs=inputs)
            for at, inputs in enumerate(told)
        )
        self.n_parts += len(cut)
        for _ in range(min(BELLS, len(cut) - 1)):
            if not bell.ring("analysis.part", str(self.run.pk), each=True):
                break
        self._work_off({first + at: part for at, part in enumerate(cut)})
        rows = RunPart.objects.filter(token=self.token, ordinal__gte=first).order_by("ordinal")
        outputs = [bytes(part.output or b"") for part in rows]
        return [pack(result) for output in outputs for result in unpack(output)]

    def _told(self, piece: Piece, folder: str, saved: dict[str, str]) -> Tree:
        """The piece as JSON; its arrays and frames are stored once each, for all parts."""

        def put(leaf: Tree) -> str:
            digest = self.leaves.digest(leaf)
            if digest not in saved:
                saved[digest] = artefacts.save(folder, digest, self.leaves.canonical(leaf))
            return saved[digest]

        return {"kind": piece.kind, "inputs": skeleton(dict(piece.inputs), put)}

    def _work_off(self, parts: dict[int, Sequence[Piece]]) -> None:
        """Compute what nobody has taken; wait for what others have, until all is stored."""
        check = Seldom(self.check)
        while True:
            check()
            # Our own claim never runs out: when we die, the token of the run ends and all with it.
            part = RunPart.objects.claim(self.run.pk, settings.CELERY_TASK_TIME_LIMIT)
            if part is not None:
                results = [packed_result(piece, self.leaves) for piece in parts[part.ordinal]]
                _store(part, [unpack(result) for result in results])
            elif not self._owed():
                return
            else:
                time.sleep(PAUSE_SECONDS)

    def _owed(self) -> bool:
        """Whether a part has no output yet. Raises where one never will have."""
        owed = RunPart.objects.filter(token=self.token, output=None)
        over = Q(lease_until=None) | Q(lease_until__lte=Now())
        given_up = owed.filter(Q(unusable=True) | (over & Q(attempts__gte=settings.RUN_ATTEMPTS)))
        failed = given_up.order_by("ordinal").first()
        if failed is None:
            return bool(owed.exists())
        self.check()  # helpers also give back what they may not compute
        if failed.unusable:
            raise UnusableData(failed.failure)
        kinds = ", ".join(sorted({str(piece["kind"]) for piece in failed.inputs}))
        how = failed.failure or "the worker died"
        raise PartFailed(f"A part of step {kinds} was tried {failed.attempts} times: {how}.")

    def end(self) -> None:
        """Nothing of the parts outlives the hold of the run."""
        if self.n_parts:
            RunPart.objects.filter(token=self.token).delete()
            try:
                artefacts.remove(artefacts.folder_of(self.run.pk, self.token))
            except artefacts.StorageAway as error:
                logger.warning("run %s: the sweep removes its inputs (%s)", self.run.pk, error)


# --- whoever helps


# What the last part of a run read; the next one mostly reads the same.
_read: dict[str, Tree] = {}


class _NotAllowed(Exception):
    """Somebody in the snapshot may no longer be used."""


class _NoInputs(Exception):
    """The inputs are not found from here: the run has ended, or storage is away or another."""


def help_with(run_id: uuid.UUID) -> bool:
    """Compute free parts of the run for about `HELP_SECONDS`; whether there was one."""
    until, allowed = time.monotonic() + HELP_SECONDS, None
    # From the end, the holder from the beginning: they mostly make other arrays ready.
    while part := RunPart.objects.claim(run_id, settings.PART_LEASE_SECONDS, last=True):
        allowed = allowed or Seldom(partial(_ask, run_id))
        try:
            with lease.part_held(part), one_thread():
                _help_with(part, allowed)
        except _NotAllowed:
            _give_back(part, "")
            break
        except _NoInputs as error:
            # That is no fault of the part: its holder, who has the inputs, tries it as before.
            if _give_back(part, "", tried=False):
                logger.warning(
                    "run %s: its inputs are not found from here (%s); HIKI_ARTEFACTS must be the "
                    "same storage for every worker",
                    run_id,
                    error,
                )
            break
        if time.monotonic() >= until:
            return True
    _read.clear()
    forget_last()
    return allowed is not None


def _ask(run_id: uuid.UUID) -> None:
    run = Run.objects.select_related("plan", "snapshot").get(pk=run_id)
    if not run.snapshot or not snapshots.still_lawful(run.snapshot, run.plan.parsed.scopes):
        raise _NotAllowed


def _help_with(part: RunPart, allowed: Seldom) -> None:
    try:
        _compute(part, allowed)
    except (_NotAllowed, _NoInputs):
        raise
    except UnusableData as error:
        _give_back(part, str(error), unusable=True)
    except Exception as error:
        _give_back(part, f"{type(error).__name__} in a worker; its log says more")
        raise


def _compute(part: RunPart, allowed: Seldom) -> None:
    """All pieces of a part; nothing is stored for a run that must not use its people any more."""
    results = []
    for piece in part.inputs:
        allowed()
        inputs = filled(piece["inputs"], lambda name: _leaf(name, part))
        results.append(unpack(compute_packed(piece["kind"], inputs)))
    _store(part, results)


def _leaf(name: str, part: RunPart) -> Tree:
    if name not in _read:
        folder = artefacts.folder_of(part.run_id, part.token)
        for other in [other for other in _read if not other.startswith(folder)]:
            del _read[other]
        try:
            _read[name] = artefacts.load(name)
        except (FileNotFoundError, artefacts.StorageAway) as error:
            raise _NoInputs(str(error)) from error
    return _read[name]


def _store(part: RunPart, results: list[Tree]) -> None:
    """Only under the claim, and while the run still computes under the token of the part."""
    RunPart.objects.held_by(part).update(output=pack(results), lease_until=None)


def _give_back(part: RunPart, failure: str, *, unusable: bool = False, tried: bool = True) -> bool:
    """Whether its run still wanted it."""
    attempts = F("attempts") - (0 if tried else 1)
    told = {"failure": failure, "unusable": unusable, "attempts": attempts, "lease_until": None}
    return bool(RunPart.objects.held_by(part).update(**told))


def waiting() -> list[uuid.UUID]:
    """Runs with parts that nobody has taken: the bell may have been lost."""
    return list(RunPart.objects.free().values_list("run_id", flat=True).order_by().distinct())


def remove_left_over() -> None:
    """Delete parts and artefacts whose run has ended, or was taken over by another worker."""
    RunPart.objects.exclude(pk__in=RunPart.objects.of_running_runs().values("pk")).delete()
    try:
        artefacts.remove_left_over()
    except artefacts.StorageAway as error:
        # The sweep has more to do than this, and comes again.
        logger.warning("what runs left behind is not removed now (%s)", error)
