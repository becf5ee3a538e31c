"""Who may do what: the one permission table. Enforced everywhere, rendered to the docs, tested.

A request is judged by the role at the object's site. Default deny; no role contains another.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeGuard

from django.utils import timezone
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

ROLES: Final = {
    "SC": _("site coordinator"),
    "SD": _("site data manager"),
    "LT": _("lab technician"),
    "CA": _("consortium analyst"),
    "CD": _("consortium data manager"),
    "AU": _("auditor"),
    "AD": _("administrator"),
}
CONSORTIUM_ROLES: Final = frozenset({"CA", "CD", "AD"})  # hold at every site, so they name none

# C create, R read, U correct (with reason), W withdraw or void, X export, A approve, S start.
# A role's verbs hold at the sites of its memberships, at all sites for consortium roles.
TABLE: Final[dict[str, dict[str, str]]] = {
    "study": {"SC": "R", "SD": "R", "LT": "R", "CA": "R", "CD": "RU", "AU": "R", "AD": "CRU"},
    "site": {"SC": "R", "SD": "R", "LT": "R", "CA": "R", "CD": "R", "AU": "R", "AD": "CRU"},
    # Whether the site's tables are taken for now.
    "site_pause": {"CD": "S", "AD": "S"},
    "participant": {"SC": "CRU", "SD": "RU", "CD": "R", "AU": "R"},
    # Both ends of a transfer; links across sites are made by those who see both.
    "transfer": {"SC": "CRU", "SD": "R", "CD": "R", "AU": "R"},
    "same_person": {"CD": "CW"},
    # U makes the record say what the paper says; who recorded it may, nobody else.
    "consent": {"SC": "CRU", "SD": "R", "CD": "R", "AU": "R"},
    "withdrawal": {"SC": "CR", "SD": "R", "CD": "CR", "AU": "R"},
    "erasure": {"SC": "CR", "SD": "AR", "CD": "AR", "AU": "R"},
    "sample": {"SC": "CRU", "SD": "RU", "LT": "CRU", "CD": "R", "AU": "R"},
    # A tube of another site that was received: the laboratory where it lies handles it, and is
    # told nothing of its participant.
    "held_sample": {"LT": "CRU"},
    "shipment": {"SC": "R", "SD": "R", "LT": "CR", "CD": "R", "AU": "R"},
    "destruction": {"SC": "R", "SD": "AR", "LT": "CR", "CD": "R", "AU": "R"},
    # Of another site's tube: recorded where it lies, approved by its own site.
    "held_destruction": {"LT": "CR"},
    "assessment": {"SC": "CRU", "SD": "RU", "CD": "R", "AU": "R"},
    "assay": {"SC": "R", "SD": "CR", "LT": "CR", "CD": "R", "AU": "R"},
    # An analyst's is coarser, and of batches of enough people alone (`AssayBatch`'s QuerySet).
    "quality_report": {"SC": "R", "SD": "R", "LT": "R", "CA": "R", "CD": "R", "AU": "R"},
    "embargo": {"SD": "R", "CD": "RU", "AU": "R"},
    # C proposes a corrected table, A accepts somebody else's.
    "assay_correction": {"SD": "AC", "LT": "C", "CD": "A"},
    "row_values": {"SD": "R", "CD": "R", "AU": "R"},
    "upload": {"SC": "CR", "SD": "CR", "LT": "CR", "CD": "R", "AU": "R"},
    # X exports the own site's with a reason; C asks for any site's, which A approves: another
    # of the consortium's data managers, or the one of the site whose records leave.
    "record_export": {"SD": "ARX", "CD": "ACR", "AU": "R"},
    # Who did what to the site's records, and why; everybody reads what they did themselves.
    "audit_trail": {"SD": "R", "CD": "R", "AU": "RX", "AD": "R"},
    "own_actions": dict.fromkeys(("SC", "SD", "LT", "CD", "AU", "AD"), "R"),
    # Who read people's records in bulk.
    "reading_log": {"SD": "R", "CD": "R", "AU": "R"},
    "raw_file": {"SD": "RX", "LT": "RX", "CD": "RX", "AU": "R"},
    "query": {"SC": "CR", "SD": "CR", "LT": "R", "CD": "CR", "AU": "CR"},
    "dictionary": {"SC": "R", "SD": "R", "LT": "R", "CA": "R", "CD": "CRU", "AU": "R"},
    # C proposes an edit of it, A approves somebody else's.
    "dictionary_edit": {"SD": "R", "CD": "ACR", "AU": "R"},
    # C says of a name of the own site which feature it is; A decides for every site.
    "source_name": {"SD": "CR", "LT": "R", "CD": "ACR", "AU": "R"},
    "change": {"SC": "R", "SD": "R", "LT": "R", "CA": "R", "CD": "R", "AU": "R"},
    "plan": {"SC": "R", "SD": "R", "CA": "R", "CD": "CRA", "AU": "R"},
    "run": {"SC": "R", "SD": "R", "CA": "SRW", "CD": "SRUW", "AU": "R"},
    "unreleased_result": {"CD": "RA", "AU": "R"},
    "released_result": {"SC": "R", "SD": "R", "CA": "RX", "CD": "RX", "AU": "R"},
    "claim": {"SC": "R", "SD": "R", "LT": "R", "CA": "R", "CD": "CRU", "AU": "R"},
    # One's own addresses, as tokens are one's own; an auditor's account writes nothing.
    "webhook": {"SC": "CRUW", "SD": "CRUW", "CA": "CRUW", "CD": "CRUW", "AD": "RW"},
    # Who has S is told what failed, and sees to it.
    "operations": {"CD": "RS", "AU": "R", "AD": "RS"},
    # A site's data manager gives the roles of its coordinators and technicians only (`GRANTS`).
    "account": {"SC": "R", "SD": "CRU", "CD": "R", "AU": "R", "AD": "CRU"},
}

# The roles that a role may give or end; nobody gives or ends a role of their own.
GRANTS: Final[dict[str, frozenset[str]]] = {"SD": frozenset({"SC", "LT"}), "AD": frozenset(ROLES)}

# Which resource a kind of table creates: people come from those who meet them, assays from those
# who measure.
UPLOAD_KINDS: Final[dict[str, str]] = {
    "participants": "participant",
    "redcap": "participant",
    "samples": "sample",
    "assessments": "assessment",
    "assays": "assay",
}


# Stands among the roles of a token that is held to some sites, once for each; it holds no verb.
LIMIT: Final = "held to"
# About every site at once: out of reach for a token that is held to some.
OF_ALL_SITES: Final = frozenset({"unreleased_result"})

# Roles that somebody holds today, with the site of each (None for a consortium role).
Standing = tuple[tuple[str, int | None], ...]
# What has been read of it during this request; None outside one, where nothing is kept.
_known: ContextVar[dict[int, Standing] | None] = ContextVar("standing", default=None)


@contextmanager
def one_request() -> Iterator[None]:
    """Within it, what a person may do is read once; the next request reads it again."""
    before = _known.set({})
    try:
        yield
    finally:
        _known.reset(before)


def hold_to(user: User, standing: Standing) -> None:
    """Judge this object of the user, made for one request, by that alone: a token may do less."""
    user.held_to = standing


@dataclass(frozen=True)
class Reach:
    """The sites at which somebody may do one thing."""

    everywhere: bool
    site_ids: frozenset[int]

    def __bool__(self) -> bool:
        return self.everywhere or bool(self.site_ids)

    def covers(self, site_id: int) -> bool:
        return self.everywhere or site_id in self.site_ids


NOWHERE: Final = Reach(everywhere=False, site_ids=frozenset())


def roles_with(resource: str, verb: str) -> frozenset[str]:
    """Roles that hold ``verb`` on ``resource``. KeyError for a resource that the table lacks."""
    return frozenset(role for role, verbs in TABLE[resource].items() if verb in verbs)


def reach(user: User | AnonymousUser, resource: str, verb: str = "R") -> Reach:
    """Where ``user`` may do ``verb`` on ``resource`` today."""
    if not _works_here(user) or (resource in OF_ALL_SITES and limits_of(user)):
        return NOWHERE
    granted = roles_with(resource, verb)
    sites: set[int] = set()
    for role, site_id in standing_of(user):
        if role not in granted:
            continue
        if site_id is None:
            return Reach(everywhere=True, site_ids=frozenset())
        sites.add(site_id)
    return Reach(everywhere=False, site_ids=frozenset(sites))


def may(user: User | AnonymousUser, resource: str, verb: str, site_id: int | None = None) -> bool:
    """Whether ``user`` may do ``verb`` on ``resource`` at that site (at any site when None)."""
    where = reach(user, resource, verb)
    return bool(where) if site_id is None else where.covers(site_id)


def grants_of(user: User | AnonymousUser) -> dict[int | None, frozenset[str]]:
    """The roles that ``user`` may give today, by site; the key None stands for every site."""
    found: dict[int | None, frozenset[str]] = {}
    if _works_here(user):
        for role, site_id in standing_of(user):
            if role in GRANTS:
                found[site_id] = found.get(site_id, frozenset()) | GRANTS[role]
    return found


def roles_of(user: User | AnonymousUser) -> frozenset[str]:
    """Roles that ``user`` holds today, at any site."""
    if not _works_here(user):
        return frozenset()
    return frozenset(role for role, _ in standing_of(user) if role != LIMIT)


def limits_of(user: User | AnonymousUser) -> frozenset[int]:
    """The sites to which the token of this request is held; empty for one that is not."""
    if not _works_here(user):
        return frozenset()
    return limits_in(standing_of(user))


def limits_in(standing: Standing) -> frozenset[int]:
    """The same of a standing that has been read already."""
    return frozenset(site for role, site in standing if role == LIMIT and site is not None)


def _works_here(user: User | AnonymousUser) -> TypeGuard[User]:
    return user.is_authenticated and user.is_active


def standing_of(user: User) -> Standing:
    """Memberships in force today: read at each request, so that a role ends at the next one."""
    held_to: Standing | None = getattr(user, "held_to", None)
    if held_to is not None:
        return held_to
    known = _known.get()
    if known is not None and user.pk in known:
        return known[user.pk]
    memberships = user.memberships.in_force(timezone.localdate()).order_by("pk")
    found: Standing = tuple(memberships.values_list("role", "site_id"))
    if known is not None:
        known[user.pk] = found
    return found
