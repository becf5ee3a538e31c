"""Destroying tubes: ordered by a withdrawal or erasure, recorded with a witness, approved."""

from __future__ import annotations

from datetime import datetime

from django.utils import timezone

from cohorts import access, history
from cohorts.errors import NotAllowed, RefusedHandling
from cohorts.language.sentences import say
from cohorts.models import CustodyEvent, Destruction, Participant, Sample, ShippedTube, Site, User
from cohorts.retrying import transacted
from cohorts.services.audit import history as events
from cohorts.services.samples.custody import step

WITHDRAWAL = say("a withdrawal")  # why tubes are blocked, or ordered destroyed


@transacted
def order_destruction(participant: Participant, cause: str, *, by: User | None = None) -> int:
    """Order the destruction of each tube that is left of a participant; how many orders are new.

    The tubes are blocked at once. Ordering twice orders nothing twice.
    """
    tubes = Sample.objects.filter(participant=participant).exclude(status=Sample.Status.DESTROYED)
    left = tubes.select_for_update(of=("self",)).select_related("site", "box", "held_at")
    n = 0
    with history.because(cause, **({"user": by.pk} if by else {})):
        for sample in left:
            n += _order_for(sample, cause, by)
            _block(sample, by, cause)
    return n


def _order_for(sample: Sample, cause: str, by: User | None) -> bool:
    coming = ShippedTube.objects.on_the_way().filter(sample=sample).order_by("pk").last()
    holder = coming.shipment.to_site if coming else sample.lies_at
    defaults = {
        "site_id": sample.site_id,
        "held_at": None if holder.pk == sample.site_id else holder,
        "tube": sample.code,
        "place": _coming_to(holder) if coming else _place(sample),
        "cause": cause,
        "ordered_by": by,
    }
    return Destruction.objects.get_or_create(sample=sample, defaults=defaults)[1]


@transacted
def block(participant: Participant, cause: str, *, by: User | None = None) -> int:
    """No more use of a participant's tubes; they stay where they are. How many were blocked."""
    left = Sample.objects.select_for_update().filter(participant=participant)
    return sum(_block(sample, by, cause) for sample in left)


@transacted
def release(participant: Participant, *, by: User | None = None) -> int:
    """A new consent: blocked tubes whose destruction nobody ordered may be used again."""
    blocked = Sample.objects.select_for_update(of=("self",)).filter(
        participant=participant, status=Sample.Status.BLOCKED, destruction=None
    )
    # Who changes their mind while the courier drives frees a tube that nobody has in a freezer.
    travelling = set(
        ShippedTube.objects.on_the_way()
        .filter(sample__participant=participant)
        .values_list("sample_id", flat=True)
    )
    for sample in blocked:
        there = sample.pk not in travelling
        sample.status = Sample.Status.STORED if there else Sample.Status.IN_TRANSIT
        step(sample, CustodyEvent.Kind.RELEASED, by=by, note="new consent")
        _keep(sample, "a new consent", by)
    return len(blocked)


@transacted
def record(
    destruction_id: int, *, at: datetime, method: str, witness: User, by: User
) -> Destruction:
    """What the laboratory did with one tube: when, how and where, and who saw it."""
    order = _order(destruction_id)
    if not _recorded_by(order, by):
        if order.held_at and access.may(by, "destruction", "C", order.site_id):
            raise RefusedHandling(
                say(
                    "%(tube)s lies at %(site)s, whose laboratory destroys it and records it.",
                    tube=order.tube,
                    site=order.held_at.code,
                )
            )
        raise NotAllowed(
            say("Your role at %(site)s does not record destructions.", site=order.done_by.code)
        )
    if order.recorded_at is not None:
        raise RefusedHandling(
            say("The destruction of %(tube)s is recorded already.", tube=order.tube)
        )
    if not access.may(witness, "destruction", "R", order.done_by.pk):
        raise RefusedHandling(
            say(
                "%(witness)s is nobody at %(site)s: name who was there.",
                witness=witness,
                site=order.done_by.code,
            )
        )
    order.recorded_by, order.recorded_at = by, timezone.now()
    order.destroyed_at, order.method, order.witness = at, method.strip(), witness
    order.full_clean()
    order.save()
    return order


@transacted
def approve(destruction_id: int, *, by: User) -> Destruction:
    """The data manager's yes; from then on the tube is gone from the books."""
    order = _order(destruction_id)
    if not access.may(by, "destruction", "A", order.site_id):
        raise NotAllowed(
            say("Your role at %(site)s does not approve destructions.", site=order.site.code)
        )
    if order.recorded_at is None:
        raise RefusedHandling(
            say("Nobody has recorded the destruction of %(tube)s yet.", tube=order.tube)
        )
    if order.approved_at is not None:
        raise RefusedHandling(say("This destruction is approved already."))
    if order.recorded_by_id == by.pk:
        raise RefusedHandling(say("You recorded this destruction; somebody else must approve it."))
    order.approved_by, order.approved_at = by, timezone.now()
    if order.sample is None:
        # Its participant is erased: now nobody needs to find the tube any more.
        order.tube = order.place = ""
    else:
        _gone(order.sample, by)
    order.full_clean()
    order.save()
    if order.sample is None:
        events.forget_row(order)
    return order


def forget(participant: Participant) -> None:
    """Before an erasure deletes the tubes: those that are gone lose their code here too."""
    done = Destruction.objects.filter(sample__participant=participant, approved_at__isnull=False)
    done.update(tube="", place="")


def _recorded_by(order: Destruction, user: User) -> bool:
    """Whether the user records destructions where the tube lies."""
    resource = "held_destruction" if order.held_at else "destruction"
    return access.may(user, resource, "C", order.done_by.pk)


def _order(destruction_id: int) -> Destruction:
    found: Destruction = (
        Destruction.objects.select_for_update(of=("self",))
        .select_related("site", "held_at", "sample")
        .get(pk=destruction_id)
    )
    return found


def _gone(sample: Sample, by: User) -> None:
    sample.status = Sample.Status.DESTROYED
    sample.box = sample.box_row = sample.box_column = None
    step(sample, CustodyEvent.Kind.DESTROYED, by=by)
    sample.save(update_fields=["status", "box", "box_row", "box_column"])


def _block(sample: Sample, by: User | None, cause: str) -> bool:
    if sample.status in (Sample.Status.BLOCKED, Sample.Status.DESTROYED, Sample.Status.USED_UP):
        return False
    sample.status = Sample.Status.BLOCKED
    step(sample, CustodyEvent.Kind.BLOCKED, by=by, note=cause)
    _keep(sample, cause, by)
    return True


def _keep(sample: Sample, why: str, by: User | None) -> None:
    with history.because(why, **({"user": by.pk} if by else {})):
        sample.save(update_fields=["status"])


def _coming_to(site: Site) -> str:
    return say("on its way to %(site)s", site=site.code)


def _place(sample: Sample) -> str:
    where = sample.held_at.code if sample.held_at else ""
    freezer = sample.box.place if sample.box else ""
    return ", ".join(word for word in (where, freezer, sample.place) if word)[:120]
