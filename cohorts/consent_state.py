"""Whose data of a site an analysis may use today, and whose consent needs somebody's attention."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db.models import Count, Q, QuerySet

from cohorts.models import Consent, Participant, Site, Withdrawal
from cohorts.models.participant import ParticipantQuerySet
from cohorts.services.renewals import AHEAD

# What an analysis needs at least; a plan may name more.
NEEDED_SCOPES = ("metabolomics", "share_consortium", "store_samples")
GAPS = ("without", "lacking", "withdrawn")


@dataclass(frozen=True)
class ConsentState:
    """People of a site by what stands between them and an analysis.

    ``without``: no consent in force, of whom ``lapsed`` signed a form that has ended; ``lacking``:
    a scope is missing. ``lapsing``: usable today, on a form that ends soon.
    """

    total: int
    without: int
    lapsed: int
    lacking: int
    withdrawn: int
    lapsing: int

    @property
    def n(self) -> int:
        """Those whose data no analysis may use."""
        return self.without + self.lacking + self.withdrawn

    @property
    def usable(self) -> int:
        return self.total - self.n


def state_of(site: Site, on: date) -> ConsentState:
    """Counted in the database: a site may have 100,000 participants."""
    people = Participant.objects.filter(site=site).counted()
    gone = _withdrawn(site, on)
    total, withdrawn = people.count(), people.filter(pk__in=gone).count()
    in_force, whole = _in_force(on), _whole()
    found = (
        _newest(site, on)
        .exclude(participant__in=gone)
        .aggregate(
            in_force=Count("pk", filter=in_force),
            lapsed=Count("pk", filter=Q(form__valid_until__lt=on)),
            lacking=Count("pk", filter=in_force & ~whole),
            lapsing=Count("pk", filter=in_force & whole & Q(form__valid_until__lt=on + AHEAD)),
        )
    )
    without = total - withdrawn - found.pop("in_force")
    return ConsentState(total=total, without=without, withdrawn=withdrawn, **found)


def in_gap(people: ParticipantQuerySet, gap: str, site: Site, on: date) -> ParticipantQuerySet:
    """Of a site's people, those whom one of `GAPS` keeps out of the analyses."""
    gone = _withdrawn(site, on)
    if gap == "withdrawn":
        return people.filter(pk__in=gone)
    held = _newest(site, on).filter(_in_force(on))
    staying = people.filter(merged_into=None).exclude(pk__in=gone)
    if gap == "without":
        return staying.exclude(pk__in=held.values("participant"))
    return staying.filter(pk__in=held.exclude(_whole()).values("participant"))


def words_for(people: Iterable[Participant], on: date) -> dict[int, str]:
    """Of these few people, each one's gap, or ``usable``."""
    keys = [person.pk for person in people]
    stopped = Withdrawal.objects.effective(on).stopping_use().filter(participant__in=keys)
    gone = set(stopped.values_list("participant_id", flat=True))
    held = Consent.objects.filter(participant__in=keys).in_force(on)
    scopes = {one: set(granted) for one, granted in held.values_list("participant_id", "scopes")}
    found = {}
    for key in keys:
        whole = scopes.get(key, set()).issuperset(NEEDED_SCOPES)
        gap = "usable" if whole else "lacking" if key in scopes else "without"
        found[key] = "withdrawn" if key in gone else gap
    return found


def _withdrawn(site: Site, on: date) -> QuerySet[Withdrawal, Any]:
    """The participants who have stopped the use of their data."""
    stopped = Withdrawal.objects.effective(on).stopping_use()
    return stopped.filter(participant__site=site).values("participant")


def _newest(site: Site, on: date) -> QuerySet[Consent]:
    """The latest consent of each participant.

    One pass over the site's consents: `ConsentQuerySet.in_force` looks each person up, which is
    right for one person and slow for 100,000.
    """
    signed: QuerySet[Consent] = Consent.objects.filter(
        participant__site=site, participant__merged_into=None, signed_on__lte=on
    )
    ordered = signed.order_by("participant_id", "-signed_on", "-id")
    return Consent.objects.filter(pk__in=ordered.distinct("participant_id").values("pk"))


def _whole() -> Q:
    return Q(scopes__contains=sorted(NEEDED_SCOPES))


def _in_force(on: date) -> Q:
    """The window of the form is open; a consent without a form has none."""
    begun = Q(form__valid_from=None) | Q(form__valid_from__lte=on)
    return begun & (Q(form__valid_until=None) | Q(form__valid_until__gte=on))
