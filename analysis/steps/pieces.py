"""Pieces of a run that can be computed anywhere, or not again: pure functions of what they read.

A piece names its function and holds all that this reads, so its digest says when a kept result
is the result. Whoever computes it, here or elsewhere, reads the same bytes with one thread.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from threadpoolctl import threadpool_limits

from analysis.packing import Tree, canonical, digest_of, filled, leaf_digest, pack, skeleton, unpack

Work = Callable[..., Tree]
WORK: dict[str, Work] = {}


def work(kind: str) -> Callable[[Work], Work]:
    """Register a pure function of packable inputs under the name that a piece gives."""

    def register(function: Work) -> Work:
        WORK[kind] = function
        return function

    return register


@dataclass(frozen=True)
class Piece:
    """One call: ``kind`` names the function, ``inputs`` are its arguments, by name.

    ``people`` are the participants whose data it reads: what is kept of it leaves with them.
    """

    kind: str
    inputs: Mapping[str, Tree]
    people: Sequence[int]


class Steps(Protocol):
    """Who computes pieces, or has their results already."""

    def each(self, pieces: Sequence[Piece]) -> list[Tree]:
        """The results, in the order of the pieces."""


class Leaves:
    """Arrays and frames that many pieces of a run share: each is read and digested once.

    Nothing is kept longer than whoever works with it keeps it: a large study is copied often
    enough as it is.
    """

    def __init__(self) -> None:
        self._digests: dict[int, str] = {}
        # None where the leaf is its own canonical form, which must not keep itself.
        self._canonical: dict[int, Tree | None] = {}
        self._alive: dict[int, weakref.ref[Tree]] = {}

    def adopt(self, result: Tree, digest: str) -> None:
        """The leaves of a piece's result are named by the piece: no need to read them again."""
        found: list[Tree] = []
        skeleton(result, found.append)
        for number, leaf in enumerate(found):
            self._watch(leaf)
            self._digests[id(leaf)] = f"{digest} {number}"
            self._canonical[id(leaf)] = None

    def digest(self, leaf: Tree) -> str:
        if id(leaf) not in self._digests:
            self._watch(leaf)
            self._digests[id(leaf)] = leaf_digest(leaf)
        return self._digests[id(leaf)]

    def canonical(self, leaf: Tree) -> Tree:
        """Made where a piece is computed, and not to look for a kept one."""
        if id(leaf) not in self._canonical:
            self._watch(leaf)
            made = canonical(leaf)
            self._canonical[id(leaf)] = None if made is leaf else made
        kept = self._canonical[id(leaf)]
        return leaf if kept is None else kept

    def _watch(self, leaf: Tree) -> None:
        """Forget the leaf when it ends, for its number is given to another one then."""
        number = id(leaf)
        if number not in self._alive:
            self._alive[number] = weakref.ref(leaf, lambda _: self._forget(number))

    def _forget(self, number: int) -> None:
        for known in (self._alive, self._digests, self._canonical):
            known.pop(number, None)


def digest(piece: Piece, leaves: Leaves, version: str) -> str:
    """What the piece's result depends on: function, code, libraries, and everything it reads."""
    return digest_of([piece.kind, version, digest_of(dict(piece.inputs), leaves.digest)])


def packed_result(piece: Piece, leaves: Leaves) -> bytes:
    """The result as it is kept and sent: who reads it back reads what everybody reads."""
    found: list[Tree] = []

    def put(leaf: Tree) -> int:
        found.append(leaves.canonical(leaf))
        return len(found) - 1

    inputs = filled(skeleton(dict(piece.inputs), put), lambda at: found[at])
    return compute_packed(piece.kind, inputs)


def compute_packed(kind: str, inputs: Mapping[str, Tree]) -> bytes:
    """The packed result of a function whose inputs are canonical."""
    return pack(WORK[kind](**inputs))


def one_thread() -> threadpool_limits:
    """Hold this while pieces are computed: sums in several threads end in other last bits."""
    return threadpool_limits(limits=1)


@dataclass
class Anew:
    """Computes every piece here: nothing is taken from what was kept."""

    leaves: Leaves = field(default_factory=Leaves)

    def each(self, pieces: Sequence[Piece]) -> list[Tree]:
        return [unpack(packed_result(piece, self.leaves)) for piece in pieces]
