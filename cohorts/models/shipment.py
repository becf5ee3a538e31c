"""Tubes on their way between two sites: what was sent, and what the other site says arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self, TypeVar

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.language.sentences import say
from cohorts.models.account import User
from cohorts.models.sample import Sample
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models.account import User as Account

_Part = TypeVar("_Part", bound=models.Model)


def _at_either_end(
    user: Account | AnonymousUser, resource: str, verb: str, path: str = ""
) -> Q | None:
    """Rows whose sender or receiver is a site of the user; None for every row."""
    where = access.reach(user, resource, verb)
    if where.everywhere:
        return None
    ends = (f"{path}from_site__in", f"{path}to_site__in")
    return Q(**{ends[0]: where.site_ids}) | Q(**{ends[1]: where.site_ids})


class ShipmentQuerySet(ScopedQuerySet["Shipment"]):
    resource = "shipment"
    site_path = "from_site"

    def open_to(self, user: Account | AnonymousUser, verb: str) -> Self:
        """Of both ends: who sent it, and who receives it."""
        ends = _at_either_end(user, self.resource, verb)
        return self if ends is None else self.filter(ends)


class Shipment(models.Model):
    """The record of the sender, with the courier's temperatures; the receipt is another record."""

    from_site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="shipments_out")
    to_site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="shipments_in")
    courier = models.CharField(max_length=80)
    reference = models.CharField(_("courier's number"), max_length=80, blank=True)
    most_celsius = models.FloatField(
        _("warmest allowed (°C)"), default=-60.0, help_text=_("On dry ice: -60.")
    )
    sent_at = models.DateTimeField()
    sent_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    objects: ClassVar = ShipmentQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                name="shipment_between_two_sites",
                condition=~Q(from_site=F("to_site")),
                violation_error_message=_("A shipment goes to another site."),
            )
        ]

    def __str__(self) -> str:
        return say("shipment %(number)s", number=self.pk)

    @property
    def carrier(self) -> str:
        """The courier, with its number where there is one."""
        return f"{self.courier} {self.reference}".strip()


class _PartQuerySet(ScopedQuerySet[_Part]):
    """Rows that belong to a shipment: whoever reads it reads them."""

    resource = "shipment"
    site_path = "shipment__from_site"

    def open_to(self, user: Account | AnonymousUser, verb: str) -> Self:
        """Of both ends."""
        ends = _at_either_end(user, self.resource, verb, "shipment__")
        return self if ends is None else self.filter(ends)


class ShippedTubeQuerySet(_PartQuerySet["ShippedTube"]):
    def on_the_way(self) -> Self:
        """Taken in by nobody yet: not received, or missing from what was."""
        return self.filter(condition__in=("", ShippedTube.Condition.MISSING))


class ShippedTube(models.Model):
    """A line of the manifest; ``condition`` is what the receiver says of it."""

    class Condition(models.TextChoices):
        GOOD = "good", _("Good")
        DAMAGED = "damaged", _("Damaged")
        THAWED = "thawed", _("Thawed")
        MISSING = "missing", _("Missing")

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="tubes")
    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="shipped")
    condition = models.CharField(max_length=8, choices=Condition, blank=True)

    objects: ClassVar = ShippedTubeQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="tube_once_a_manifest",
                fields=["shipment", "sample"],
                violation_error_message=_("The manifest names a tube twice."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.shipment}: {self.sample}"


class TemperatureReadingQuerySet(_PartQuerySet["TemperatureReading"]):
    pass


class TemperatureReading(models.Model):
    """A line of the courier's log."""

    shipment = models.ForeignKey(Shipment, on_delete=models.CASCADE, related_name="temperatures")
    at = models.DateTimeField()
    celsius = models.FloatField()

    objects: ClassVar = TemperatureReadingQuerySet.as_manager()

    class Meta:
        ordering = ["shipment_id", "at"]
        constraints = [
            models.UniqueConstraint(
                name="temperature_once_a_time",
                fields=["shipment", "at"],
                violation_error_message=_("The log has two temperatures of one time."),
            ),
            models.CheckConstraint(
                name="temperature_possible",
                condition=Q(celsius__gte=-273.15, celsius__lte=100),
                violation_error_message=_("Temperatures are in °C, -273 to 100."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.at} {self.celsius:g} °C"


class ReceiptQuerySet(_PartQuerySet["Receipt"]):
    pass


class Receipt(models.Model):
    """The record of the receiver; codes that no manifest names stand here as they were read."""

    shipment = models.OneToOneField(Shipment, on_delete=models.CASCADE, related_name="receipt")
    received_at = models.DateTimeField()
    received_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    unexpected = models.JSONField(default=list, blank=True)
    note = models.CharField(max_length=300, blank=True)

    objects: ClassVar = ReceiptQuerySet.as_manager()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return gettext("receipt of shipment %(number)s") % {"number": self.shipment_id}
