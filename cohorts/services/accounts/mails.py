"""What people are told by mail: new queries at their sites, erasures carried out, accounts stopped.

What is owed stands in the database, so that a mail server that is away delays a mail and loses
none. No mail says anything of a participant: it says how many, and where to read on.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from smtplib import SMTPException
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.db.models.functions import Coalesce
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone

from cohorts import access
from cohorts.models import Erasure, Membership, Query, User
from cohorts.services.accounts import languages

logger = logging.getLogger(__name__)
# Between two mails on queries to the same person.
A_DAY = timedelta(days=1)
# An erasure whose receipt could not be sent for so long is found on its page alone.
RECEIPT_AT_MOST = timedelta(days=7)


def owed(at: datetime | None = None) -> bool:
    """Whether anybody is to be told something now."""
    now = at or timezone.now()
    owing = (_to_tell_of_queries(now), _without_receipt(now), _stopped_untold())
    return any(each.exists() for each in owing)


def send_due(at: datetime | None = None) -> int:
    """Send what is owed; how many mails. The first that the mail server does not take ends it."""
    now, n_sent = at or timezone.now(), 0
    try:
        for user in _to_tell_of_queries(now):
            n_sent += _tell_of_queries(user, now)
        for erasure in _without_receipt(now).select_related("site", "requested_by", "approved_by"):
            n_sent += _send_receipt(erasure, now)
        for analyst in _stopped_untold():
            n_sent += _tell_of_stop(analyst, now)
    except (SMTPException, OSError) as error:
        logger.warning("mails could not be sent (%s); the next sweep tries again", error)
    return n_sent


def address_of(page: str) -> str:
    """A page as a mail links it; the path alone where the platform's own address is not set."""
    return f"{settings.PUBLIC_ORIGIN}{page}"


# --- queries


def _to_tell_of_queries(now: datetime) -> QuerySet[User]:
    """Those at whose sites something was asked since they were last told, a day ago or more."""
    of_today = Membership.objects.in_force(timezone.localdate(now))
    at_their_sites = of_today.filter(user=OuterRef(OuterRef("pk")), site__isnull=False)
    asked = Query.objects.filter(
        site__in=at_their_sites.values("site"),
        state=Query.State.OPEN,
        raised_at__gt=Coalesce(OuterRef("queries_told_at"), OuterRef("date_joined")),
    ).exclude(raised_by=OuterRef("pk"))
    return (
        User.objects.filter(Exists(asked), is_active=True, query_mails=True)
        .exclude(email="")
        .filter(Q(queries_told_at=None) | Q(queries_told_at__lte=now - A_DAY))
        .order_by("pk")
    )


def _tell_of_queries(user: User, now: datetime) -> int:
    before = user.queries_told_at
    # Whoever moves the time sends the mail: two workers never both do.
    mine = User.objects.filter(pk=user.pk, queries_told_at=before)
    if not mine.update(queries_told_at=now):
        return 0
    sites = _asked_of(user, since=before or user.date_joined)
    if not sites:
        return 0
    words = {"sites": sites, "account": address_of(reverse("tokens"))}
    try:
        send("cohorts/mail/queries", user, words)
    except (SMTPException, OSError):
        User.objects.filter(pk=user.pk).update(queries_told_at=before)
        raise
    return 1


def _asked_of(user: User, *, since: datetime) -> list[dict[str, Any]]:
    """By site whose queries the person answers: how many are new, and open in all."""
    found = []
    standing = Query.objects.visible_to(user).filter(state=Query.State.OPEN)
    memberships = Membership.objects.in_force(timezone.localdate()).filter(user=user)
    for site in {each.site for each in memberships.select_related("site") if each.site}:
        if not access.may(user, "query", "C", site.pk):
            continue
        here = standing.filter(site=site)
        n_new = here.filter(raised_at__gt=since).exclude(raised_by=user).count()
        if n_new:
            page = address_of(reverse("queries", args=[site.code]))
            found.append({"code": site.code, "n_new": n_new, "n_open": here.count(), "page": page})
    return sorted(found, key=lambda each: str(each["code"]))


# --- erasures


def _without_receipt(now: datetime) -> QuerySet[Erasure]:
    late: QuerySet[Erasure] = Erasure.objects.filter(
        executed_at__gt=now - RECEIPT_AT_MOST, receipt_mailed_at=None, replayed=False
    )
    return late.order_by("pk")


def _send_receipt(erasure: Erasure, now: datetime) -> int:
    mine = Erasure.objects.filter(pk=erasure.pk, receipt_mailed_at=None)
    if not mine.update(receipt_mailed_at=now):
        return 0
    told = [
        each
        for each in (erasure.requested_by, erasure.approved_by)
        if each and each.is_active and each.email
        if access.may(each, "erasure", "R", erasure.site_id)
    ]
    page = address_of(reverse("erasures", args=[erasure.site.code]))
    words = {"erasure": erasure, "page": page, "tombstone": erasure.receipt["tombstone"]}
    words |= {"n_rows": sum(erasure.receipt["rows"].values())}
    try:
        for each in told:
            send("cohorts/mail/erasure", each, words)
    except (SMTPException, OSError):
        # Sent again to both: twice is better than never.
        Erasure.objects.filter(pk=erasure.pk).update(receipt_mailed_at=None)
        raise
    return len(told)


# --- accounts that asked too often for what is hidden


def _stopped_untold() -> QuerySet[User]:
    untold = Q(stop_told_at=None) | Q(stop_told_at__lt=F("stopped_at"))
    return User.objects.filter(untold, stopped_at__isnull=False).order_by("pk")


def _tell_of_stop(analyst: User, now: datetime) -> int:
    before = analyst.stop_told_at
    if not User.objects.filter(pk=analyst.pk, stop_told_at=before).update(stop_told_at=now):
        return 0
    page = address_of(reverse("admin:cohorts_user_change", args=[analyst.pk]))
    # They know what the disclosure rules hide.
    told = [each for each in who_may("unreleased_result", "A") if each.pk != analyst.pk]
    try:
        for each in told:
            send("cohorts/mail/stopped", each, {"analyst": analyst, "page": page})
    except (SMTPException, OSError):
        # Sent again to all: twice is better than never.
        User.objects.filter(pk=analyst.pk).update(stop_told_at=before)
        raise
    return len(told)


# --- to whom, and how


def who_may(resource: str, verb: str) -> QuerySet[User]:
    """Those of the consortium who may do that today and have an address."""
    roles = access.roles_with(resource, verb)
    held = Membership.objects.in_force(timezone.localdate()).filter(role__in=roles, site=None)
    those = User.objects.filter(pk__in=held.values("user"), is_active=True)
    return those.exclude(email="").order_by("pk")


def send(name: str, user: User, words: Mapping[str, Any]) -> None:
    """A mail of these templates, in the language of its reader."""
    with languages.of_person(user):
        subject = render_to_string(f"{name}_subject.txt", dict(words)).strip()
        body = render_to_string(f"{name}.txt", dict(words))
        send_mail(subject, body.strip() + "\n", None, [user.email])
