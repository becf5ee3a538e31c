"""What a laboratory does with many tubes at once: to all of them, or to none."""

from __future__ import annotations

from collections.abc import Sequence

from cohorts import access
from cohorts.errors import RefusedHandling
from cohorts.language.sentences import say
from cohorts.models import Box, Sample, Site, User
from cohorts.retrying import transacted
from cohorts.services.samples import boxes, custody


@transacted
def thaw_all(site: Site, tubes: Sequence[int], *, by: User) -> int:
    """Thaw each of these tubes that lie at a site once; the first that cannot be is named."""
    _lock(site, tubes, by)
    for tube in tubes:
        custody.thaw(tube, by=by)
    return len(tubes)


@transacted
def box_all(site: Site, tubes: Sequence[int], *, box_code: str, by: User) -> str:
    """Put tubes into the free places of a box, row by row in the given order; where they lie."""
    _lock(site, tubes, by)
    box = Box.objects.select_for_update().filter(site=site, code=box_code).first()
    if box is None:
        raise RefusedHandling(
            say("%(site)s has no box %(box)s: check its code.", site=site.code, box=box_code)
        )
    taken = set(box.samples.exclude(pk__in=tubes).values_list("box_row", "box_column"))
    every = [(row, col) for row in range(1, box.n_rows + 1) for col in range(1, box.n_columns + 1)]
    free = [place for place in every if place not in taken]
    if len(free) < len(tubes):
        raise RefusedHandling(
            say(
                "Box %(box)s is short of places (free: %(free)s, scanned: %(n)s): take another "
                "box, or scan fewer.",
                box=box.code,
                free=len(free),
                n=len(tubes),
            )
        )
    # Tubes that lie in the box already leave their places first, so that none meets another.
    Sample.objects.filter(pk__in=tubes, box=box).update(box=None, box_row=None, box_column=None)
    for tube, (row, column) in zip(tubes, free, strict=False):
        boxes.move(tube, box_code=box.code, row=row, column=column, by=by)
    first, last = free[0], free[len(tubes) - 1]
    return f"{box.code} {first[0]}/{first[1]} to {last[0]}/{last[1]}"


def _lock(site: Site, tubes: Sequence[int], by: User) -> None:
    """Each locked in the order of the ids: two benches do not wait for each other."""
    if not access.may(by, "sample", "U", site.pk):
        raise custody.not_handled(site)
    if not tubes:
        raise RefusedHandling(say("No tube is in the list: scan one."))
    rows = Sample.objects.select_for_update(of=("self",)).filter(pk__in=tubes).order_by("pk")
    found = {tube.pk: tube for tube in rows.select_related("site", "held_at")}
    if away := next((found[pk] for pk in tubes if found[pk].lies_at != site), None):
        raise custody.handled_elsewhere(away)
