"""Names that the dictionary does not have yet, each opened as one feature that waits for review."""

from __future__ import annotations

from collections.abc import Collection

from django.db import connection

from cohorts.advisory import Advisory, hold
from cohorts.ingest.facts import normalise
from cohorts.models import Feature


def hold_names() -> None:
    """Until the end of this transaction nobody else opens a name."""
    hold(Advisory.FEATURE_NAMES)


def features_of(names: Collection[str]) -> dict[str, int]:
    """Ids by name; a name that was unknown to the check becomes a feature.

    Unless another table has opened it since, be it in another spelling: then it is that one.
    """
    known = _known(names)
    if len(known) == len(set(names)):
        return known
    hold_names()
    known |= _known(set(names) - known.keys())
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
    with connection.cursor() as cursor:
        # One parameter: each of a thousand costs more to write down than to find.
        cursor.execute("SELECT name, id FROM cohorts_feature WHERE name = ANY(%s)", [list(names)])
        return dict(cursor.fetchall())
