"""What a laboratory does with many tubes at once: to all of them, or to none."""

from __future__ import annotations

from collections.abc import Sequence

from cohorts import access
from cohorts.errors import NotAllowed, RefusedHandling
from cohorts.language.sentences import say
from cohorts.models import Box, Sample, Site, User
from cohorts.retrying import transacted
from cohorts.services.samples import custody


@transacted
def thaw_all(site: Site, codes: Sequence[str], *, by: User) -> int:
    """Thaw each of these tubes of a site once; the first that cannot be is named."""
    tubes = _locked(site, codes, by)
    for code in codes:
        custody.thaw(tubes[code], by=by)
    return len(tubes)


@transacted
def box_all(site: Site, codes: Sequence[str], *, box_code: str, by: User) -> str:
    """Put tubes into the free places of a box, row by row in the given order; where they lie."""
    tubes = _locked(site, codes, by)
    box = Box.objects.select_for_update().filter(site=site, code=box_code).first()
    if box is None:
        raise RefusedHandling(
            say("%(site)s has no box %(box)s: check its code.", site=site.code, box=box_code)
        )
    taken = set(box.samples.exclude(code__in=codes).values_list("box_row", "box_column"))
    every = [(row, col) for row in range(1, box.n_rows + 1) for col in range(1, box.n_columns + 1)]
    free = [place for place in every if place not in taken]
    if len(free) < len(codes):
        raise RefusedHandling(
            say(
                "Box %(box)s has %(free)s free places and %(n)s tubes were scanned: take another "
                "box, or scan fewer.",
                box=box.code,
                free=len(free),
                n=len(codes),
            )
        )
    # Tubes that lie in the box already leave their places first, so that none meets another.
    Sample.objects.filter(pk__in=tubes.values(), box=box).update(
        box=None, box_row=None, box_column=None
    )
    for code, (row, column) in zip(codes, free, strict=False):
        custody.move(tubes[code], box_code=box.code, row=row, column=column, by=by)
    first, last = free[0], free[len(codes) - 1]
    return f"{box.code} {first[0]}/{first[1]} to {last[0]}/{last[1]}"


def _locked(site: Site, codes: Sequence[str], by: User) -> dict[str, int]:
    """Code -> id, each locked in the order of the ids: two benches do not wait for each other."""
    if not access.may(by, "sample", "U", site.pk):
        raise NotAllowed(say("Your role at %(site)s does not handle samples.", site=site.code))
    if not codes:
        raise RefusedHandling(say("No tube is in the list: scan one."))
    rows = Sample.objects.select_for_update(of=("self",)).filter(site=site, code__in=codes)
    found = dict(rows.order_by("pk").values_list("code", "pk"))
    if unknown := next((code for code in codes if code not in found), None):
        raise RefusedHandling(
            say(
                "%(site)s has no sample %(sample)s: check its code.", site=site.code, sample=unknown
            )
        )
    return found
