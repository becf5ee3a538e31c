"""Sending tubes to another site, and what that site says arrived: two records, compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from cohorts import access, history
from cohorts.errors import NotAllowed, RefusedHandling
from cohorts.language.sentences import say
from cohorts.models import (
    CustodyEvent,
    Receipt,
    Sample,
    Shipment,
    ShippedTube,
    Site,
    TemperatureReading,
    User,
)
from cohorts.retrying import transacted
from cohorts.services import queries
from cohorts.services.queries import Finding
from cohorts.services.samples.custody import step, usable

RULE = "shipment"
Condition = ShippedTube.Condition


@transacted
def send(
    from_site: Site,
    to_site: Site,
    codes: Sequence[str],
    *,
    courier: str,
    reference: str = "",
    most_celsius: float = -60.0,
    sent_at: datetime,
    by: User,
) -> Shipment:
    """Hand tubes to a courier. All of them, or none and the first that cannot go is named."""
    if not access.may(by, "shipment", "C", from_site.pk):
        raise NotAllowed(
            say("Your role at %(from_site)s does not send samples.", from_site=from_site.code)
        )
    if not codes:
        raise RefusedHandling(say("The manifest is empty: name the tubes."))
    if twice := next((code for code in codes if codes.count(code) > 1), None):
        raise RefusedHandling(say("The manifest names %(twice)s twice.", twice=twice))
    shipment = Shipment(
        from_site=from_site,
        to_site=to_site,
        courier=courier,
        reference=reference,
        most_celsius=most_celsius,
        sent_at=sent_at,
        sent_by=by,
    )
    shipment.full_clean()
    shipment.save()
    for sample in _tubes(from_site, codes):
        usable(sample)
        step(sample, CustodyEvent.Kind.SENT, by=by, at=sent_at, note=f"to {to_site.code}")
        sample.status = Sample.Status.IN_TRANSIT
        sample.box = sample.box_row = sample.box_column = None
        sample.save(update_fields=["status", "box", "box_row", "box_column"])
        ShippedTube.objects.create(shipment=shipment, sample=sample)
    return shipment


@transacted
def receive(
    shipment_id: int,
    conditions: Mapping[str, str],
    *,
    received_at: datetime,
    temperatures: Sequence[tuple[datetime, float]] = (),
    note: str = "",
    by: User,
) -> Receipt:
    """What arrived: tube code -> condition. What differs from the manifest becomes a query."""
    shipment = _held(shipment_id)
    _refuse_receipt(shipment, conditions, received_at, by)
    with history.because(note.strip() or "received", user=by.pk):
        receipt = _received(shipment, conditions, received_at, temperatures, note, by)
    _recheck(shipment)
    return receipt


@transacted
def complete(
    shipment_id: int,
    conditions: Mapping[str, str],
    *,
    arrived_at: datetime,
    temperatures: Sequence[tuple[datetime, float]] = (),
    note: str,
    by: User,
) -> Receipt:
    """What turned up after the receipt: tubes that were missing, or the courier's log.

    The receipt stands as it was written; the questions that this answers close by themselves.
    """
    shipment = _held(shipment_id)
    _refuse_stranger(shipment, by)
    receipt = Receipt.objects.filter(shipment=shipment).first()
    if receipt is None:
        raise RefusedHandling(say("This shipment is not received yet: record the receipt."))
    if not note.strip():
        raise RefusedHandling(say("Say where it was found, or why it comes later."))
    if not conditions and not temperatures:
        raise RefusedHandling(say("Name the tubes that turned up, or the temperatures."))
    if arrived_at < receipt.received_at:
        raise RefusedHandling(say("Before the receipt: check the time."))
    missing = {
        tube.sample.code: tube
        for tube in shipment.tubes.select_related("sample", "shipment__to_site")
        if tube.condition == Condition.MISSING
    }
    _refuse_conditions(conditions)
    if strange := next((code for code in conditions if code not in missing), None):
        raise RefusedHandling(
            say("%(code)s was not missing from this shipment: check its code.", code=strange)
        )
    with history.because(note.strip(), user=by.pk):
        for code, condition in conditions.items():
            _take_in(missing[code], condition, arrived_at, by)
        _log(shipment, temperatures)
    _recheck(shipment)
    return receipt


def _held(shipment_id: int) -> Shipment:
    found: Shipment = (
        Shipment.objects.select_for_update(of=("self",))
        .select_related("from_site", "to_site")
        .get(pk=shipment_id)
    )
    return found


def _recheck(shipment: Shipment) -> None:
    queries.recheck(RULE, shipment.from_site, discrepancies(shipment), shipment=shipment)
    for tube in shipment.tubes.select_related("sample"):
        about = _about_tube(tube)
        queries.recheck(RULE, shipment.from_site, about, sample=tube.sample)


def _log(shipment: Shipment, temperatures: Sequence[tuple[datetime, float]]) -> None:
    for at, celsius in temperatures:
        reading = TemperatureReading(shipment=shipment, at=at, celsius=celsius)
        reading.full_clean()
        reading.save()


def _received(
    shipment: Shipment,
    conditions: Mapping[str, str],
    received_at: datetime,
    temperatures: Sequence[tuple[datetime, float]],
    note: str,
    by: User,
) -> Receipt:
    _log(shipment, temperatures)
    sent = {tube.sample.code: tube for tube in shipment.tubes.select_related("sample")}
    for code, tube in sent.items():
        _take_in(tube, conditions.get(code, Condition.MISSING), received_at, by)
    receipt = Receipt(
        shipment=shipment,
        received_at=received_at,
        received_by=by,
        unexpected=sorted(set(conditions) - set(sent)),
        note=note,
    )
    receipt.full_clean()
    receipt.save()
    return receipt


def discrepancies(shipment: Shipment) -> list[Finding]:
    """What of a received shipment as a whole differs from what was sent."""
    found = []
    warmest = max((r.celsius for r in shipment.temperatures.all()), default=None)
    if warmest is None:
        found.append(Finding(shipment, "no log", say("The courier's temperature log is missing.")))
    elif warmest > shipment.most_celsius:
        text = say(
            "The shipment was as warm as %(warmest)s °C; at most %(most_celsius)s °C.",
            warmest=format(warmest, "g"),
            most_celsius=format(shipment.most_celsius, "g"),
        )
        found.append(Finding(shipment, f"warm:{warmest:g}", text))
    unexpected = shipment.receipt.unexpected
    if unexpected:
        n = len(unexpected)
        text = (
            say("%(n)s tubes arrived that the manifest does not name.", n=n)
            if n > 1
            else say("1 tube arrived that the manifest does not name.")
        )
        found.append(Finding(shipment, "unexpected", text))
    return found


def _refuse_receipt(
    shipment: Shipment, conditions: Mapping[str, str], received_at: datetime, by: User
) -> None:
    _refuse_stranger(shipment, by)
    if Receipt.objects.filter(shipment=shipment).exists():
        raise RefusedHandling(say("This shipment is received already."))
    if received_at < shipment.sent_at:
        raise RefusedHandling(say("Received before it was sent: check the time."))
    _refuse_conditions(conditions)


def _refuse_stranger(shipment: Shipment, by: User) -> None:
    to_site = shipment.to_site
    if not access.may(by, "shipment", "C", to_site.pk):
        raise NotAllowed(
            say(
                "Only a laboratory technician of %(to_site)s receives this shipment.",
                to_site=to_site.code,
            )
        )


def _refuse_conditions(conditions: Mapping[str, str]) -> None:
    known = {Condition.GOOD, Condition.DAMAGED, Condition.THAWED, Condition.MISSING}
    for code, condition in conditions.items():
        if condition not in known:
            raise RefusedHandling(
                say(
                    "%(code)s: %(condition)s is not a condition; write good, damaged, thawed "
                    "or missing.",
                    code=code,
                    condition=repr(condition),
                )
            )


def _tubes(site: Site, codes: Sequence[str]) -> list[Sample]:
    """The tubes of these codes that lie at the site, locked."""
    rows = Sample.objects.select_for_update(of=("self",)).lying_at(site).filter(code__in=codes)
    found: dict[str, Sample] = {}
    for sample in rows.select_related("site", "box").order_by("pk"):
        if sample.code in found:
            raise RefusedHandling(
                say(
                    "%(site)s holds two tubes with the code %(code)s, of different sites: label "
                    "one anew before it is sent.",
                    site=site.code,
                    code=sample.code,
                )
            )
        found[sample.code] = sample
    if unknown := next((code for code in codes if code not in found), None):
        raise RefusedHandling(_why_not_here(site, unknown))
    return list(found.values())


def _why_not_here(site: Site, code: str) -> str:
    away = Sample.objects.filter(site=site, code=code).select_related("held_at").first()
    if away is not None and away.held_at is not None:
        return say(
            "%(code)s lies at %(held_at)s, which alone can send it.",
            code=code,
            held_at=away.held_at.code,
        )
    return say(
        "%(site)s has no sample %(unknown)s: check its code.", site=site.code, unknown=repr(code)
    )


def _take_in(tube: ShippedTube, condition: str, at: datetime, by: User) -> None:
    tube.condition = condition
    tube.save(update_fields=["condition"])
    sample = Sample.objects.select_for_update().get(pk=tube.sample_id)
    if condition == Condition.MISSING:
        return
    to_site = tube.shipment.to_site
    note = {
        Condition.GOOD: say("arrived at %(site)s in good condition", site=to_site.code),
        Condition.DAMAGED: say("arrived at %(site)s damaged", site=to_site.code),
        Condition.THAWED: say("arrived at %(site)s thawed", site=to_site.code),
    }[Condition(condition)]
    step(sample, CustodyEvent.Kind.RECEIVED, by=by, at=at, note=note)
    if sample.status == Sample.Status.IN_TRANSIT:  # a withdrawal on the way blocks it
        sample.status = Sample.Status.STORED
    sample.held_at = to_site
    if condition == Condition.THAWED and sample.freeze_thaws is not None:
        sample.freeze_thaws += 1
    sample.save(update_fields=["status", "held_at", "freeze_thaws"])


def _about_tube(tube: ShippedTube) -> list[Finding]:
    if tube.condition == Condition.GOOD:
        return []
    named = {"sample": tube.sample.code, "shipment": tube.shipment}
    text = {
        Condition.MISSING: say("%(sample)s of %(shipment)s did not arrive.", **named),
        Condition.DAMAGED: say("%(sample)s of %(shipment)s arrived damaged.", **named),
        Condition.THAWED: say("%(sample)s of %(shipment)s arrived thawed.", **named),
    }[Condition(tube.condition)]
    return [Finding(tube.sample, f"{tube.shipment_id}:{tube.condition}", text)]
