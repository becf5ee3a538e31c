"""Boxes of a freezer: a new one, a tube put into a place of one, a box that moves."""

from __future__ import annotations

from cohorts import access, history
from cohorts.errors import RefusedHandling, UnusableRequest
from cohorts.language.sentences import say
from cohorts.models import Box, CustodyEvent, Sample, Site, User
from cohorts.retrying import transacted
from cohorts.services.samples import custody


@transacted
def move(sample_id: int, *, box_code: str, row: int, column: int, by: User) -> Sample:
    """Put a tube into a place of a box of the site at which it lies."""
    sample = custody.held_for(sample_id, by, "U")
    # The box's row orders those who fill it.
    box = Box.objects.select_for_update().filter(site=sample.lies_at, code=box_code).first()
    if box is None:
        raise RefusedHandling(
            say(
                "%(site)s has no box %(box_code)s: check its code.",
                site=sample.lies_at.code,
                box_code=repr(box_code),
            )
        )
    if not (1 <= row <= box.n_rows and 1 <= column <= box.n_columns):
        raise RefusedHandling(
            say(
                "Box %(box)s has %(n_rows)s rows and %(n_columns)s columns; there is no "
                "place %(row)s/%(column)s.",
                box=box.code,
                n_rows=box.n_rows,
                n_columns=box.n_columns,
                row=row,
                column=column,
            )
        )
    there = box.samples.filter(box_row=row, box_column=column).exclude(pk=sample.pk).first()
    if there is not None:
        raise RefusedHandling(
            say(
                "%(there)s is in %(place)s: choose a free place.",
                there=there.code,
                place=there.place,
            )
        )
    before = sample.place
    sample.box, sample.box_row, sample.box_column = box, row, column
    custody.step(sample, CustodyEvent.Kind.MOVED, by=by, note=_moved(before, sample.place))
    sample.full_clean()
    sample.save(update_fields=["box", "box_row", "box_column"])
    return sample


@transacted
def add_box(site: Site, *, code: str, place: str, n_rows: int, n_columns: int, by: User) -> Box:
    """A new box in a freezer of the site."""
    if not access.may(by, "sample", "C", site.pk):
        raise custody.not_handled(site)
    box = Box(site=site, code=code, place=place, n_rows=n_rows, n_columns=n_columns)
    box.full_clean()
    box.save()
    return box


@transacted
def move_box(box_id: int, *, place: str, reason: str, by: User) -> Box:
    """The box with all that is in it stands elsewhere; where it stood stays in its events."""
    box = Box.objects.select_for_update(of=("self",)).select_related("site").get(pk=box_id)
    if not access.may(by, "sample", "U", box.site_id):
        raise custody.not_handled(box.site)
    if not reason.strip():
        raise UnusableRequest(say("Say why the box is moved."))
    if place.strip() == box.place:
        raise UnusableRequest(say("The box stands there already."))
    box.place = place.strip()
    box.full_clean()
    with history.because(reason.strip()[:300], user=by.pk):
        box.save(update_fields=["place"])
    return box


def _moved(before: str, after: str) -> str:
    if not before:
        return say("put into %(after)s", after=after)
    return (
        say("taken out of %(before)s", before=before)
        if not after
        else say("out of %(before)s into %(after)s", before=before, after=after)
    )
