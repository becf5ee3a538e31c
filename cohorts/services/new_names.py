"""Names that the dictionary does not have yet, each opened as one feature that waits for review."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection

from cohorts.ingest.facts import normalise
from cohorts.models import Feature

# Any fixed number: the dictionary is every site's, and a site's own lock does not order two that
# send the same new name.
NAMES_LOCK = 0x48494B4E


def hold_names() -> None:
    """Until the end of this transaction nobody else opens a name."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [NAMES_LOCK])


def features_of(names: Collection[str]) -> dict[str, int]:
    """Ids by name; a name that was unknown to the check becomes a feature.

    Unless another table has opened it since, be it in another spelling: then it is that one.
    """
    known = _known(names)
    if len(known) == len(set(names)):
        return known
    hold_names()
    known = _known(names)
    waiting = Feature.objects.waiting().values_list("name", "pk")
    opened = {normalise(name): pk for name, pk in waiting}
    new = []
    for name in sorted(set(names) - known.keys(), key=normalise):
        if normalise(name) in opened:
            known[name] = opened[normalise(name)]
        else:
            new.append(Feature(name=name, kind="unknown", reviewed=False))
    return known | {feature.name: feature.pk for feature in Feature.objects.bulk_create(new)}


def _known(names: Collection[str]) -> dict[str, int]:
    return dict(Feature.objects.filter(name__in=set(names)).values_list("name", "pk"))
