"""What waits for one reader: decisions that they may take, each with its number and its page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.translation import ngettext

from cohorts import access
from cohorts.models import (
    BatchVoid,
    Destruction,
    DictionaryEdit,
    Erasure,
    ExportRequest,
    Shipment,
    Transfer,
    User,
)
from cohorts.services import name_review


@dataclass(frozen=True)
class Waiting:
    """One line of the start page; ``site`` is empty for what is no site's alone."""

    site: str
    words: str
    address: str


def waiting_for(user: User) -> list[Waiting]:
    """Decisions that wait, by site; what somebody has asked for themselves waits for others."""
    return [*_of_sites(user), *_of_the_study(user)]


def _of_sites(user: User) -> Iterator[Waiting]:
    erasures = Erasure.objects.open().filter(approved_at=None).exclude(requested_by=user)
    for site, n in _by_site(erasures, "site", user, "erasure", "A"):
        words = ngettext("%(n)s erasure to approve", "%(n)s erasures to approve", n) % {"n": n}
        yield Waiting(site, words, reverse("erasures", args=[site]))
    done = Destruction.objects.to_do().exclude(recorded_at=None).exclude(recorded_by=user)
    for site, n in _by_site(done, "site", user, "destruction", "A"):
        words = ngettext(
            "%(n)s destroyed tube to approve", "%(n)s destroyed tubes to approve", n
        ) % {"n": n}
        yield Waiting(site, words, reverse("destructions", args=[site]))
    ordered = Destruction.objects.to_do().filter(recorded_at=None)
    for site, n in _by_site(ordered, "site", user, "destruction", "C"):
        words = ngettext("%(n)s tube to destroy", "%(n)s tubes to destroy", n) % {"n": n}
        yield Waiting(site, words, reverse("destructions", args=[site]))
    exports = ExportRequest.objects.waiting().exclude(asked_by=user)
    for site, n in _by_site(exports, "site", user, "record_export", "A"):
        words = ngettext("%(n)s export to approve", "%(n)s exports to approve", n) % {"n": n}
        yield Waiting(site, words, reverse("exports", args=[site]))
    voids = BatchVoid.objects.open().exclude(asked_by=user)
    for site, n in _by_site(voids, "batch__site", user, "assay_correction", "A"):
        words = ngettext("%(n)s batch to void", "%(n)s batches to void", n) % {"n": n}
        yield Waiting(site, words, reverse("batches", args=[site]))
    coming = Transfer.objects.open()
    for site, n in _by_site(coming, "to_site", user, "transfer", "C"):
        words = ngettext("%(n)s participant moves here", "%(n)s participants move here", n) % {
            "n": n
        }
        yield Waiting(site, words, reverse("people", args=[site]))
    under_way = Shipment.objects.filter(receipt=None)
    for site, n in _by_site(under_way, "to_site", user, "shipment", "C"):
        words = ngettext("%(n)s shipment to receive", "%(n)s shipments to receive", n) % {"n": n}
        yield Waiting(site, words, reverse("shipments", args=[site]))


def _of_the_study(user: User) -> Iterator[Waiting]:
    if access.may(user, "dictionary_edit", "A"):
        n = DictionaryEdit.objects.waiting().exclude(proposed_by=user).count()
        words = ngettext(
            "%(n)s edit of the dictionary to approve", "%(n)s edits of the dictionary to approve", n
        )
        if n:
            yield Waiting("", words % {"n": n}, reverse("dictionary-edits"))
    if any(access.may(user, "source_name", verb) for verb in "CA"):
        n = name_review.waiting(user).count()
        words = ngettext("%(n)s name to look at", "%(n)s names to look at", n)
        if n:
            yield Waiting("", words % {"n": n}, reverse("names"))


def _by_site(
    rows: QuerySet[Any], site: str, user: User, resource: str, verb: str
) -> list[tuple[str, int]]:
    """Code of each site at which this person may do that, and how many rows are there."""
    where = access.reach(user, resource, verb)
    if not where:
        return []
    here = Q() if where.everywhere else Q(**{f"{site}__in": where.site_ids})
    found = rows.filter(here).order_by().values_list(f"{site}__code")
    return list(found.annotate(n=Count("pk")).order_by(f"{site}__code"))
