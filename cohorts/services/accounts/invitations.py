"""Who is invited to which role, and what becomes of it."""

from __future__ import annotations

import secrets
from datetime import timedelta

from django.utils import timezone
from django.utils.translation import get_language

from cohorts import access
from cohorts.errors import NotAllowed, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import Invitation, Membership, Site, User
from cohorts.models.account import digest_of
from cohorts.retrying import transacted
from cohorts.services.rules import hold_to_its_rules

LIFE = timedelta(days=7)


class NoSuchInvitation(UnusableRequest):
    """The same words for a key that never was, was used, taken back, or has run out."""

    def __init__(self) -> None:
        super().__init__(say("This invitation no longer holds: ask whoever sent it for a new one."))


def may_give(user: User, role: str, site: Site | None) -> bool:
    """Whether that person may give (or end) that role there."""
    grants = access.grants_of(user)
    everywhere = grants.get(None, frozenset())
    return role in everywhere or (site is not None and role in grants.get(site.pk, frozenset()))


@transacted
def invite(email: str, role: str, site: Site | None, *, by: User) -> tuple[Invitation, str]:
    """An invitation and its key, which is kept nowhere. NotAllowed, UnusableRequest."""
    if not may_give(by, role, site):
        raise NotAllowed(say("Your roles do not give that one away there."))
    key = secrets.token_urlsafe(32)
    invitation = Invitation(
        email=email.strip().lower(),
        role=role,
        site=site,
        invited_by=by,
        digest=digest_of(key),
        expires_at=timezone.now() + LIFE,
    )
    # One that has run out makes room for the next.
    Invitation.objects.filter(
        email=invitation.email,
        role=role,
        site=site,
        accepted_at=None,
        expires_at__lte=timezone.now(),
    ).update(withdrawn_at=timezone.now())
    hold_to_its_rules(invitation)
    invitation.save()
    return invitation, key


@transacted
def withdraw(invitation_id: int, *, by: User) -> None:
    """Take an open invitation back. NotAllowed for somebody who could not have sent it."""
    invitation = _open_one(pk=invitation_id)
    if not may_give(by, invitation.role, invitation.site):
        raise NotAllowed(say("Your roles do not take that invitation back."))
    invitation.withdrawn_at = timezone.now()
    invitation.save(update_fields=["withdrawn_at"])


def of_key(key: str) -> Invitation:
    """The open invitation with that key. NoSuchInvitation."""
    found = (
        Invitation.objects.open(timezone.now())
        .select_related("site", "invited_by")
        .filter(digest=digest_of(key))
        .first()
    )
    if found is None:
        raise NoSuchInvitation
    invitation: Invitation = found
    return invitation


@transacted
def accept(key: str, user: User) -> Membership:
    """Take the role with an account: a new one (saved here) or one that exists."""
    invitation = _open_one(digest=digest_of(key))
    # Who invited may have lost the right to since.
    if not may_give(invitation.invited_by, invitation.role, invitation.site):
        raise NoSuchInvitation
    if user.pk is None:
        user.email = invitation.email
        user.language = get_language() or ""
        hold_to_its_rules(user)
        user.save()
    membership = Membership(user=user, role=invitation.role, site=invitation.site)
    hold_to_its_rules(membership)
    membership.save()
    invitation.accepted_at, invitation.accepted_by = timezone.now(), user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    return membership


@transacted
def end_role(membership_id: int, *, by: User) -> Membership:
    """End a role today. NotAllowed for a role of one's own or one that one may not give."""
    membership: Membership = Membership.objects.select_for_update(of=("self",)).get(
        pk=membership_id
    )
    if membership.user_id == by.pk:
        raise NotAllowed(say("Nobody ends a role of their own: ask another administrator."))
    if not may_give(by, membership.role, membership.site):
        raise NotAllowed(say("Your roles do not end that one."))
    today = timezone.localdate()
    if membership.until_date is None or membership.until_date > today:
        membership.until_date = max(today, membership.from_date)
        hold_to_its_rules(membership)
        membership.save(update_fields=["until_date"])
    return membership


def _open_one(**which: object) -> Invitation:
    # Locked, or two browsers would accept the same invitation twice.
    found = (
        Invitation.objects.open(timezone.now())
        .select_for_update(of=("self",))
        .select_related("site", "invited_by")
        .filter(**which)
        .first()
    )
    if found is None:
        raise NoSuchInvitation
    invitation: Invitation = found
    return invitation
