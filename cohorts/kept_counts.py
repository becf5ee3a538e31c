"""What stands in the books of many sites, counted once for each state of a site's books.

A hundred thousand people are not counted at each look: numbers are kept in Valkey under the newest
that was written at their site, so that none is shown that does not hold any more.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.core.cache import cache
from django.db.models import Count, F, Model, OuterRef, Subquery

from cohorts import clock
from cohorts.consent_state import ConsentState, state_of
from cohorts.models import EVENTS, AssayBatch, Change, Participant, Sample, Site
from cohorts.services.counting import ValkeyAway, asked

logger = logging.getLogger(__name__)
KEPT_SECONDS = 24 * 3600
AHEAD_AT_ONCE = 3


@dataclass(frozen=True)
class Counted:
    """Of one site: people by group, whose data no analysis may use, tubes, batches in use."""

    groups: tuple[tuple[str, int], ...]
    gaps: ConsentState
    n_samples: int
    n_batches: int


def counted(sites: Iterable[Site]) -> dict[int, Counted]:
    """By the number of the site; what is not kept is counted, and kept."""
    keys = _keys(site.pk for site in sites)
    kept = _kept(keys.values())
    return {pk: kept.get(key) or _count(pk, key) for pk, key in keys.items()}


def count_ahead() -> int:
    """Count some sites where something was written since, before anybody asks; how many."""
    keys = _keys(Site.objects.values_list("pk", flat=True))
    kept = _kept(keys.values())
    missing = [(pk, key) for pk, key in keys.items() if key not in kept][:AHEAD_AT_ONCE]
    for pk, key in missing:
        _count(pk, key)
    return len(missing)


def _keys(ids: Iterable[int]) -> dict[int, str]:
    """Of each site, a key that no earlier state of its books had."""
    # Consents, withdrawals, forms and batches are written with a change of their site. Numbers
    # are given again after a restore, times are not.
    newest = {
        f"{model.__name__}_{name}": _newest(model, key, name)
        for model, key, at in (
            (EVENTS[Participant], "pgh_id", "pgh_created_at"),
            (EVENTS[Sample], "pgh_id", "pgh_created_at"),
            (Change, "id", "recorded_at"),
        )
        for name in (key, at)
    }
    told = Site.objects.filter(pk__in=list(ids)).annotate(**newest).order_by("code")
    today = clock.today()
    return {
        pk: f"site-counts:{today}:{pk}:" + ":".join(str(each) for each in state).replace(" ", "")
        for pk, *state in told.values_list("pk", *newest)
    }


def _newest(model: type[Model], key: str, name: str) -> Subquery:
    theirs = model._default_manager.filter(site=OuterRef("pk"))
    return Subquery(theirs.order_by(F(key).desc()).values(name)[:1])


def _kept(keys: Iterable[str]) -> Mapping[str, Counted]:
    try:
        with asked():
            found: Mapping[str, Counted] = cache.get_many(list(keys))
    except ValkeyAway as error:
        logger.warning("Valkey does not answer (%s): every site is counted anew", error)
        return {}
    return found


def _count(site_id: int, key: str) -> Counted:
    site = Site.objects.get(pk=site_id)
    people = Participant.objects.filter(site=site).counted().values_list("group")
    found = Counted(
        groups=tuple(people.annotate(n=Count("pk")).order_by("-n", "group")),
        gaps=state_of(site, clock.today()),
        n_samples=Sample.objects.filter(site=site).count(),
        n_batches=AssayBatch.objects.filter(site=site).accepted().count(),
    )
    try:
        with asked():
            cache.set(key, found, KEPT_SECONDS)
    except ValkeyAway as error:
        logger.warning("Valkey does not answer (%s): numbers of a site are not kept", error)
    return found
