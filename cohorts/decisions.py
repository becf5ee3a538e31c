"""What waits for one reader: decisions that they may take, each with its number and its page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from django.utils.translation import ngettext, ngettext_lazy

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
from cohorts.services.features import name_review


@dataclass(frozen=True)
class Waiting:
    """One line of the start page; ``site`` is empty for what is no site's alone."""

    site: str
    words: str
    address: str


@dataclass(frozen=True)
class _Kind:
    """Decisions at sites: who takes them by the permission table, and on which page."""

    site: str  # the path from a row to the site that decides
    right: tuple[str, str]
    rows: Callable[[User], QuerySet[Any]]
    words: Any  # a lazy plural of ``n``
    page: str


_AT_SITES = (
    _Kind(
        "site",
        ("erasure", "A"),
        lambda user: Erasure.objects.open().filter(approved_at=None).exclude(requested_by=user),
        ngettext_lazy("%(n)s erasure to approve", "%(n)s erasures to approve", "n"),
        "erasures",
    ),
    _Kind(
        "site",
        ("destruction", "A"),
        lambda user: (
            Destruction.objects.to_do().exclude(recorded_at=None).exclude(recorded_by=user)
        ),
        ngettext_lazy("%(n)s destroyed tube to approve", "%(n)s destroyed tubes to approve", "n"),
        "destructions",
    ),
    _Kind(
        "site",
        ("destruction", "C"),
        lambda _: Destruction.objects.to_do().filter(recorded_at=None, held_at=None),
        ngettext_lazy("%(n)s tube to destroy", "%(n)s tubes to destroy", "n"),
        "destructions",
    ),
    _Kind(
        "held_at",
        ("held_destruction", "C"),
        lambda _: Destruction.objects.to_do().filter(recorded_at=None),
        ngettext_lazy(
            "%(n)s tube of another site to destroy", "%(n)s tubes of other sites to destroy", "n"
        ),
        "destructions",
    ),
    _Kind(
        "site",
        ("record_export", "A"),
        lambda user: ExportRequest.objects.waiting().exclude(asked_by=user),
        ngettext_lazy("%(n)s export to approve", "%(n)s exports to approve", "n"),
        "exports",
    ),
    _Kind(
        "batch__site",
        ("assay_correction", "A"),
        lambda user: BatchVoid.objects.open().exclude(asked_by=user),
        ngettext_lazy("%(n)s batch to void", "%(n)s batches to void", "n"),
        "batches",
    ),
    _Kind(
        "to_site",
        ("transfer", "C"),
        lambda _: Transfer.objects.open(),
        ngettext_lazy("%(n)s participant moves here", "%(n)s participants move here", "n"),
        "people",
    ),
    _Kind(
        "to_site",
        ("shipment", "C"),
        lambda _: Shipment.objects.filter(receipt=None),
        ngettext_lazy("%(n)s shipment to receive", "%(n)s shipments to receive", "n"),
        "shipments",
    ),
)


def waiting_for(user: User) -> list[Waiting]:
    """Decisions that wait, by site; what somebody has asked for themselves waits for others."""
    return [*_of_sites(user), *_of_the_study(user)]


def _of_sites(user: User) -> Iterator[Waiting]:
    for kind in _AT_SITES:
        for site, n in _by_site(kind.rows(user), kind.site, user, *kind.right):
            yield Waiting(site, kind.words % {"n": n}, reverse(kind.page, args=[site]))


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
