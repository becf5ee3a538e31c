"""Whom to ask again: consents on a form that has lapsed, or lapses soon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Exists, OuterRef, Q, QuerySet, Subquery

from cohorts import clock
from cohorts.models import Consent, ConsentForm, User, Withdrawal

AHEAD = timedelta(days=60)
FORMS_AT_ONCE = 8


@dataclass(frozen=True)
class Renewal:
    """A participant whose form ``lapsed``, or lapses, after ``valid_until``."""

    consent_id: int
    participant_id: int
    site: str
    participant: str
    form_version: str
    signed_on: date
    valid_until: date
    lapsed: bool


def due(
    user: User, *, site: str = "", after: Consent | None = None, most: int | None = None
) -> list[Renewal]:
    """The renewals that this user may see, the first to lapse first; ``most`` ``after`` one."""
    today = clock.today()
    theirs = ending(user, today)
    if after:
        passed = Q(form=after.form, participant__code__lte=after.participant.code)
        theirs = theirs.exclude(passed)
    found: list[Consent] = []
    for forms in _in_turn(today, site, after):
        here = theirs.filter(form__in=forms)
        found += here if most is None else here[: most - len(found)]
        if len(found) == most:
            break
    return [told(consent, today) for consent in found]


def ending(user: User, today: date, *, site: str = "") -> QuerySet[Consent]:
    """The newest consents on a form that has lapsed or lapses soon, the first to lapse first.

    Nobody who has withdrawn from giving data, has moved or is kept under another code is asked.
    """
    stopped = Withdrawal.objects.effective(today).stopping_new_data()
    latest = Consent.objects.filter(participant=OuterRef("participant"), signed_on__lte=today)
    found: QuerySet[Consent] = Consent.objects.visible_to(user).filter(
        # By the person of each consent: a list of everybody is looked up from end to end.
        ~Exists(stopped.filter(participant=OuterRef("participant"))),
        pk=Subquery(latest.order_by("-signed_on", "-id").values("pk")[:1]),
        participant__merged_into=None,
        participant__left_on=None,
        form__valid_until__lt=today + AHEAD,
    )
    if site:
        # A person signs a form of their own site; its consents are found by the form.
        found = found.filter(form__in=list(_lapsing(today, site).values_list("pk", flat=True)))
    ordered = found.order_by("form__valid_until", "form_id", "participant__code")
    return ordered.select_related("form", "participant__site")


def _lapsing(today: date, site: str) -> QuerySet[ConsentForm]:
    forms: QuerySet[ConsentForm] = ConsentForm.objects.filter(valid_until__lt=today + AHEAD)
    return forms.filter(site__code=site) if site else forms


def _in_turn(today: date, site: str, after: Consent | None) -> Iterator[list[int]]:
    """Forms in the order of `ending`, few at first: the later ones may not be looked through."""
    lapsing = _lapsing(today, site)
    if after and after.form:
        ends = after.form.valid_until
        same_day = Q(valid_until=ends, pk__gte=after.form.pk)
        lapsing = lapsing.filter(Q(valid_until__gt=ends) | same_day)
    left = list(lapsing.order_by("valid_until", "pk").values_list("pk", flat=True))
    n = FORMS_AT_ONCE
    while left:
        yield left[:n]
        left, n = left[n:], 2 * n


def told(consent: Consent, today: date) -> Renewal:
    """What is shown of one of them."""
    form, person = consent.form, consent.participant
    assert form is not None  # noqa: S101 - the filter asks for its window
    assert form.valid_until is not None  # noqa: S101 - as above
    return Renewal(
        consent_id=consent.pk,
        participant_id=person.pk,
        site=person.site.code,
        participant=person.code,
        form_version=form.version,
        signed_on=consent.signed_on,
        valid_until=form.valid_until,
        lapsed=form.valid_until < today,
    )
