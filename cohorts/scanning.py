"""Tubes read by a scanner, one after another: which they are, and whether they were misread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cohorts.errors import RefusedHandling
from cohorts.labels import read_label
from cohorts.language.sentences import say
from cohorts.models import Sample, ShippedTube, Site, User

MOST = 200  # tubes at once


@dataclass(frozen=True)
class ScannedTube:
    """``name`` is ``SITE/code``; ``shipment`` the one with which it is on its way here."""

    name: str
    sample_id: int
    code: str
    material: str
    place: str
    status: str
    shipment: int | None


def name_of(text: str, here: Site) -> str:
    """``SITE/code`` of what was scanned or typed. Raises MisreadCode for a wrong label.

    A label says its site and is checked; a code that was typed is one of this site.
    """
    words = text.strip()
    if "/" not in words:
        return f"{here.code}/{words}"
    return "/".join(read_label(words))


def tubes_of(names: Sequence[str], here: Site, user: User) -> dict[str, ScannedTube]:
    """The tubes of these names that this person sees: of the site, lying there, or on their way."""
    own = [code for site, _, code in (name.partition("/") for name in names) if site == here.code]
    mine = Sample.objects.visible_to(user).filter(site=here, code__in=own).select_related("box")
    found = {f"{here.code}/{tube.code}": _told(here.code, tube, None) for tube in mine}
    others = {
        code for site, _, code in (name.partition("/") for name in names) if site != here.code
    }
    if others:
        coming = ShippedTube.objects.visible_to(user).filter(
            shipment__to_site=here, shipment__receipt=None, sample__code__in=others
        )
        for line in coming.select_related("sample__site", "sample__box"):
            tube = _told(line.sample.site.code, line.sample, line.shipment_id)
            found[tube.name] = tube
        lying = Sample.objects.received_by(here, user).filter(code__in=others)
        for sample in lying.select_related("site", "box"):
            tube = _told(sample.site.code, sample, None)
            found[tube.name] = tube
    return {name: found[name] for name in names if name in found}


def _told(site: str, tube: Sample, shipment: int | None) -> ScannedTube:
    return ScannedTube(
        f"{site}/{tube.code}", tube.pk, tube.code, tube.material, tube.place, tube.status, shipment
    )


def read(text: str, names: Sequence[str], here: Site, user: User) -> str:
    """The name of one more tube.

    Raises MisreadCode for a wrong label, RefusedHandling for a tube that cannot be taken.
    """
    name = name_of(text, here)
    if name in names:
        raise RefusedHandling(say("%(tube)s is in the list already.", tube=name))
    if len(names) >= MOST:
        raise RefusedHandling(say("%(n)s tubes are in the list: finish with these first.", n=MOST))
    if name not in tubes_of([name], here, user):
        raise RefusedHandling(
            say(
                "%(tube)s is no tube of %(site)s, and on no shipment that is on its way here: "
                "check the label.",
                tube=name,
                site=here.code,
            )
        )
    return name


def refuse_coming(tubes: Sequence[ScannedTube]) -> None:
    """Raises RefusedHandling where one is still on its way here."""
    if coming := next((tube for tube in tubes if tube.shipment is not None), None):
        raise RefusedHandling(
            say(
                "%(tube)s is on its way here: receive it first, or take it out of the list.",
                tube=coming.name,
            )
        )


def shipment_of(tubes: Sequence[ScannedTube]) -> int:
    """The one shipment on its way here that all of them came with. Raises RefusedHandling."""
    if not tubes:
        raise RefusedHandling(say("No tube is in the list: scan one."))
    numbers = []
    for tube in tubes:
        if tube.shipment is None:
            raise RefusedHandling(
                say(
                    "%(tube)s is on no shipment that is on its way here: take it out of the list.",
                    tube=tube.name,
                )
            )
        numbers.append(tube.shipment)
    for tube, number in zip(tubes, numbers, strict=True):
        if number != numbers[0]:
            raise RefusedHandling(
                say(
                    "%(tube)s came with shipment %(shipment)s, %(first)s with %(first_shipment)s: "
                    "receive one shipment at a time.",
                    tube=tube.name,
                    shipment=number,
                    first=tubes[0].name,
                    first_shipment=numbers[0],
                )
            )
    return numbers[0]
