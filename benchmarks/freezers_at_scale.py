"""What happened to the tubes of a large study: custody, shipments, destructions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from benchmarks.copies import many, one_each
from cohorts.models import (
    CustodyEvent,
    Destruction,
    Receipt,
    Shipment,
    ShippedTube,
    Site,
    TemperatureReading,
    User,
)

if TYPE_CHECKING:
    from django.db import models

WRITTEN: Final[tuple[type[models.Model], ...]] = (
    *(CustodyEvent, Destruction, Receipt, Shipment, ShippedTube, TemperatureReading),
)
THEN: Final = datetime(2024, 9, 1, tzinfo=UTC)
SHIPMENTS, TUBES = 2_000, 50


def fill(sites: list[Site], tube: int, share: float, staff: list[User]) -> None:
    """An event of each tube; shipments of fifty, of which one in ten is under way."""
    event = CustodyEvent(sample_id=tube, number=1, kind="moved", at=THEN, by=staff[0])
    one_each(event, "cohorts_sample s", sample_id="s.id")
    n, first, shipments = len(sites), sites[0].pk, round(SHIPMENTS * share)
    sent = Shipment(
        from_site=sites[0], to_site=sites[1], courier="A courier", sent_at=THEN, sent_by=staff[0]
    )
    shipment: int = many(
        sent,
        shipments,
        from_site_id=f"{first} + n % {n}",
        to_site_id=f"{first} + (n + 1) % {n}",
    )
    # The shipment n of a site that has number n % sites among them takes that site's tubes.
    shipped = ShippedTube(shipment_id=shipment, sample_id=tube)
    one_each(
        shipped,
        f"generate_series(0, {shipments * TUBES - 1}) n",
        shipment_id=f"{shipment} + n % {shipments}",
        sample_id=f"{tube} + n",
    )
    reading = TemperatureReading(shipment_id=shipment, at=THEN, celsius=-70.0)
    one_each(
        reading,
        f"generate_series(0, {shipments * 20 - 1}) n",
        shipment_id=f"{shipment} + n % {shipments}",
        at=f"t.at + n / {shipments} * interval '1 hour'",
    )
    came = Receipt(shipment_id=shipment, received_at=THEN, received_by=staff[1])
    one_each(came, "cohorts_shipment s WHERE s.id % 10 > 0", shipment_id="s.id")
    ordered = Destruction(site=sites[0], sample_id=tube, cause="withdrawal", ordered_by=staff[0])
    one_each(
        ordered,
        "cohorts_sample s WHERE s.id % 100 = 0",
        sample_id="s.id",
        site_id="s.site_id",
    )
