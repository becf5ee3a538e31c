"""Whether the audit trail is as it was sealed: the chain first, then what each entry says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.db.models import Exists, OuterRef

from cohorts.models import AuditLink, AuditSeal
from cohorts.retrying import transacted
from cohorts.services.audit import audit_chain
from cohorts.services.audit.audit_chain import ERASURE, KINDS, PIECE, Entry


@dataclass(frozen=True)
class Noted:
    """A head that was noted outside of the database: the seal's number, and how its hash begins."""

    number: int
    digest: str


@dataclass(frozen=True)
class Checked:
    """What was checked. ``faults`` are sentences, the first broken place first."""

    n_entries: int
    n_seals: int
    n_erased: int
    n_unsealed: int
    head: str
    faults: tuple[str, ...]


@transacted
def check(noted: Noted | None = None) -> Checked:
    """Compute every hash anew, and hold the chain against a head that was noted before.

    Sealing and erasing wait meanwhile; writers do not.
    """
    audit_chain.hold_chain()
    faults = [*_broken_seals(), *(_cut_off(noted) if noted else ())]
    n_entries = n_unsealed = 0
    for kind in KINDS:
        faults += _broken_entries(kind)
        n_entries += _links(kind).count()
        n_unsealed += audit_chain.without_link(kind).count()
    return Checked(
        n_entries=n_entries,
        n_seals=AuditSeal.objects.count(),
        n_erased=AuditLink.objects.filter(seal__why=ERASURE).count(),
        n_unsealed=n_unsealed,
        head=str(audit_chain.newest() or ""),
        faults=tuple(faults),
    )


def _broken_seals() -> Iterator[str]:
    """Seals that are gone, or do not follow from the one before and from their links."""
    before, expected = "", 1
    links = AuditLink.objects.order_by("seal_id", "id").values_list(
        "seal_id", "kind", "entry_id", "digest"
    )
    by_seal = groupby(links.iterator(chunk_size=PIECE), key=lambda link: link[0])
    number, held = next(by_seal, (None, iter(())))
    for seal in AuditSeal.objects.order_by("number").iterator():
        if seal.number != expected:
            yield f"seal {expected}: is gone; the next one is {seal.number}."
        mine: list[Any] = []
        if number == seal.number:
            mine = [link[1:] for link in held]
            number, held = next(by_seal, (None, iter(())))
        if len(mine) != seal.n_links:
            yield f"seal {seal.number}: has {len(mine)} links; {seal.n_links} were sealed."
        elif audit_chain.seal_digest(before, seal, mine) != seal.digest:
            yield (
                f"seal {seal.number}: its hash does not follow from the seal before and from its "
                f"{seal.n_links} links: one of them, or the seal, was changed."
            )
        before, expected = seal.digest, seal.number + 1


def _cut_off(noted: Noted) -> Iterator[str]:
    """Whether a head of before is still in the chain."""
    found = AuditSeal.objects.filter(number=noted.number).first()
    if found is None:
        yield f"seal {noted.number}: was the head once and is gone: the chain was cut off."
    elif not found.digest.startswith(noted.digest):
        yield f"seal {noted.number}: its hash is not the one that was noted: it was made anew."


def _broken_entries(kind: str) -> Iterator[str]:
    """Entries that are gone, or say something else than what was sealed last."""
    later = _links(kind, newest=False).filter(entry_id=OuterRef("entry_id"), pk__gt=OuterRef("pk"))
    replaced = later.exclude(seal__why=ERASURE)
    for link in _links(kind, newest=False).filter(Exists(replaced)).select_related("seal"):
        yield f"{_place(kind, link.entry_id, link.seal_id)} was sealed again without an erasure."
    try:
        entries = _entries(kind)
    except LookupError as error:
        yield f"{_name(kind)}: {error}"
        return
    forms, entry = _forms(kind), next(entries, None)
    links = _links(kind).values_list("entry_id", "seal_id", "salt", "digest")
    for entry_id, seal, salt, digest in links.iterator(chunk_size=PIECE):
        while entry and entry[0] < entry_id:
            entry = next(entries, None)
        if entry is None or entry[0] != entry_id:
            yield f"{_place(kind, entry_id, seal)} is gone."
            continue
        said = Entry(kind, entry_id, entry[1][_form_at(forms, seal)])
        if salt is None or audit_chain.digest_of(said, bytes(salt)) != bytes(digest):
            yield f"{_place(kind, entry_id, seal)} was changed after it was sealed."


def _links(kind: str, *, newest: bool = True) -> Any:
    """Links of a kind; the newest of each entry alone, in the order of the entries."""
    links = AuditLink.objects.filter(kind=kind)
    return links.order_by("entry_id", "-id").distinct("entry_id") if newest else links


def _forms(kind: str) -> list[tuple[int, list[str]]]:
    """From which seal on, which columns of the kind are covered."""
    seals = AuditSeal.objects.filter(columns__has_key=kind).order_by("number")
    told: list[tuple[int, Mapping[str, list[str]]]] = list(seals.values_list("number", "columns"))
    return [(number, columns[kind]) for number, columns in told]


def _form_at(forms: list[tuple[int, list[str]]], seal: int) -> int:
    return max((n for n, (since, _) in enumerate(forms) if since <= seal), default=0)


def _entries(kind: str) -> Iterator[tuple[int, list[str]]]:
    """Number of each entry, and what it says in each form of its kind.

    Raises LookupError for a column that is sealed and not there any more.
    """
    here = set(audit_chain.columns_of(kind))
    rows = KINDS[kind]._default_manager.all()
    readers = []
    for _, columns in _forms(kind):
        if gone := sorted(set(columns) - here):
            raise LookupError(f"the sealed column {gone[0]} is gone.")
        readers.append(audit_chain.entries_of(rows, kind, columns))
    together = zip(*readers, strict=True)
    return ((row[0].id, [entry.said for entry in row]) for row in together)


def _name(kind: str) -> str:
    return str(KINDS[kind]._meta.verbose_name)


def _place(kind: str, entry_id: int, seal: int) -> str:
    return f"{_name(kind)} {entry_id} (seal {seal})"
