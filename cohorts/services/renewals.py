"""Whom to ask again: consents on a form that has lapsed, or lapses soon."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import OuterRef, QuerySet, Subquery

from cohorts import clock
from cohorts.models import Consent, Participant, User, Withdrawal

AHEAD = timedelta(days=60)


@dataclass(frozen=True)
class Renewal:
    """A participant whose form ``lapsed``, or lapses, after ``valid_until``."""

    participant_id: int
    site: str
    participant: str
    form_version: str
    signed_on: date
    valid_until: date
    lapsed: bool


def due(user: User, *, site: str = "", first: int = 0, most: int | None = None) -> list[Renewal]:
    """The renewals that this user may see, the first to lapse first; a page of them."""
    today = clock.today()
    last = None if most is None else first + most
    return [told(consent, today) for consent in ending(user, today, site=site)[first:last]]


def ending(user: User, today: date, *, site: str = "") -> QuerySet[Consent]:
    """The newest consents on a form that has lapsed or lapses soon, the first to lapse first.

    Nobody who has withdrawn from giving data, has moved or is kept under another code is asked.
    """
    stopped = Withdrawal.objects.effective(today).stopping_new_data().values("participant")
    people = Participant.objects.counted().filter(left_on=None).exclude(pk__in=stopped)
    latest = Consent.objects.filter(participant=OuterRef("participant"), signed_on__lte=today)
    found: QuerySet[Consent] = Consent.objects.visible_to(user).filter(
        pk=Subquery(latest.order_by("-signed_on", "-id").values("pk")[:1]),
        participant__in=people,
        form__valid_until__lt=today + AHEAD,
    )
    if site:
        found = found.filter(participant__site__code=site)
    ordered = found.order_by("form__valid_until", "participant__code")
    return ordered.select_related("form", "participant__site")


def told(consent: Consent, today: date) -> Renewal:
    """What is shown of one of them."""
    form, person = consent.form, consent.participant
    assert form is not None  # noqa: S101 - the filter asks for its window
    assert form.valid_until is not None  # noqa: S101 - as above
    return Renewal(
        participant_id=person.pk,
        site=person.site.code,
        participant=person.code,
        form_version=form.version,
        signed_on=consent.signed_on,
        valid_until=form.valid_until,
        lapsed=form.valid_until < today,
    )
