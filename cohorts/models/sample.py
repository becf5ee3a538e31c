"""Blood samples: tube, aliquot, derivative, where each lies, and how each was handled."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Self

from django.contrib.postgres.indexes import OpClass
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.models.participant import Participant, Visit
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models.account import User


class BoxQuerySet(ScopedQuerySet["Box"]):
    resource = "sample"


class Box(models.Model):
    """A box in a freezer: so many rows by so many columns, each place for one tube."""

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="boxes")
    code = models.CharField(max_length=40)
    place = models.CharField(max_length=80, blank=True, help_text=_("Freezer and shelf."))
    n_rows = models.PositiveSmallIntegerField(_("rows"), default=9)
    n_columns = models.PositiveSmallIntegerField(_("columns"), default=9)

    objects: ClassVar = BoxQuerySet.as_manager()

    class Meta:
        ordering = ["site_id", "code"]
        verbose_name_plural = _("boxes")
        constraints = [
            models.UniqueConstraint(
                name="box_code_once_a_site",
                fields=["site", "code"],
                violation_error_message=_("This site has a box with that code already."),
            ),
            models.CheckConstraint(
                name="box_size_plausible",
                condition=Q(n_rows__range=(1, 50), n_columns__range=(1, 50)),
                violation_error_message=_("A box has 1 to 50 rows and 1 to 50 columns."),
            ),
        ]

    def __str__(self) -> str:
        return self.code


LIES_ELSEWHERE = Q(held_at__isnull=False) & ~Q(held_at=F("site"))


class SampleQuerySet(ScopedQuerySet["Sample"]):
    resource = "sample"

    def lying_at(self, site: Site) -> Self:
        """Its own that never left or came back, and those of other sites that it received."""
        return self.filter(Q(held_at=site) | Q(held_at=None, site=site))

    def received_by(self, site: Site, user: User | AnonymousUser) -> Self:
        """Those of other sites that lie there; none where the user does not handle such."""
        if not access.may(user, "held_sample", "R", site.pk):
            return self.none()
        return self.filter(LIES_ELSEWHERE, held_at=site)

    def at_hand(self, user: User | AnonymousUser) -> Self:
        """Those that the user reads, and those of other sites that lie in the own laboratory."""
        there = access.reach(user, "held_sample", "R").site_ids
        seen = self.visible_to(user)
        return seen | self.filter(held_at__in=there) if there else seen


class Sample(models.Model):
    """Handling is recorded because delay, light and haemolysis imitate the published signature."""

    class Status(models.TextChoices):
        STORED = "stored", _("Stored")
        IN_TRANSIT = "in_transit", _("In Transit")
        USED_UP = "used_up", _("Used Up")
        BLOCKED = "blocked", _("Blocked")
        DESTROYED = "destroyed", _("Destroyed")

    class Temperature(models.TextChoices):
        ROOM = "room", _("room temperature")
        COLD = "cold", _("2 to 10 °C")

    # Letters of SPREC 2.0 (doi:10.1089/bio.2012.0012), in words.
    class Spin(models.TextChoices):
        A = "A", _("10-15 min, under 3,000 g, room temperature, no brake")
        B = "B", _("10-15 min, under 3,000 g, room temperature, with brake")
        C = "C", _("10-15 min, under 3,000 g, 2 to 10 °C, no brake")
        D = "D", _("10-15 min, under 3,000 g, 2 to 10 °C, with brake")
        E = "E", _("10-15 min, 3,000-6,000 g, room temperature, with brake")
        F = "F", _("10-15 min, 3,000-6,000 g, 2 to 10 °C, with brake")
        G = "G", _("10-15 min, 6,000-10,000 g, room temperature, with brake")
        H = "H", _("10-15 min, 6,000-10,000 g, 2 to 10 °C, with brake")
        I = "I", _("10-15 min, over 10,000 g, room temperature, with brake")  # noqa: E741 - SPREC
        J = "J", _("10-15 min, over 10,000 g, 2 to 10 °C, with brake")
        M = "M", _("30 min, under 1,000 g, room temperature, no brake")
        N = "N", _("not spun")
        Z = "Z", _("spun in another way")

    class Storage(models.TextChoices):
        A = "A", _("PP tube 0.5-2 mL, -85 to -60 °C")
        B = "B", _("PP tube 0.5-2 mL, -35 to -18 °C")
        C = "C", _("Cryotube 1-2 mL, liquid nitrogen")
        D = "D", _("Cryotube 1-2 mL, -85 to -60 °C")
        E = "E", _("Cryotube 1-2 mL, programmed freezing to under -135 °C")
        F = "F", _("Plastic cryo straw, liquid nitrogen")
        G = "G", _("Straw, -85 to -60 °C")
        H = "H", _("Straw, -35 to -18 °C")
        I = "I", _("Straw, programmed freezing to under -135 °C")  # noqa: E741 - SPREC
        J = "J", _("PP tube 5 mL or more, -85 to -60 °C")
        K = "K", _("PP tube 5 mL or more, -35 to -18 °C")
        L = "L", _("Microplate, -85 to -60 °C")
        M = "M", _("Microplate, -35 to -18 °C")
        N = "N", _("Cryotube 1-2 mL, liquid nitrogen after -85 to -60 °C")
        O = "O", _("Plastic cryo straw, liquid nitrogen after -85 to -60 °C")  # noqa: E741 - SPREC
        Q = "Q", _("Bag, liquid nitrogen")
        R = "R", _("Dry technology medium, room temperature")
        S = "S", _("PP tube 40-500 µL, -85 to -60 °C")
        T = "T", _("PP tube 40-500 µL, -35 to -18 °C")
        V = "V", _("PP tube 0.5-2 mL, under -135 °C")
        W = "W", _("PP tube 40-500 µL, under -135 °C")
        Y = "Y", _("Original tube, -85 to -18 °C")
        Z = "Z", _("stored in another way")

    # The site stands here too: codes are unique within it, and lists filter by it without a join.
    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="samples")
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="samples")
    visit = models.ForeignKey(Visit, on_delete=models.SET_NULL, null=True, blank=True)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="derivatives"
    )
    code = models.CharField(max_length=64)
    material = models.CharField(max_length=40)
    tube = models.CharField(max_length=40, blank=True)
    collected_at = models.DateTimeField(null=True, blank=True)
    spun_at = models.DateTimeField(null=True, blank=True)
    frozen_at = models.DateTimeField(null=True, blank=True)
    temperature = models.CharField(
        _("temperature until it was spun"),
        max_length=4,
        choices=Temperature,
        blank=True,
        db_default="",
        default="",
    )
    centrifugation = models.CharField(
        _("first centrifugation"),
        max_length=1,
        choices=Spin,
        blank=True,
        db_default="",
        default="",
    )
    second_centrifugation = models.CharField(
        max_length=1, choices=Spin, blank=True, db_default="", default=""
    )
    storage = models.CharField(max_length=1, choices=Storage, blank=True, db_default="", default="")
    fasting_hours = models.FloatField(null=True, blank=True)
    haemolysis_index = models.FloatField(null=True, blank=True)
    light_protected = models.BooleanField(null=True, blank=True)
    freeze_thaws = models.PositiveSmallIntegerField(null=True, blank=True)
    volume_ul = models.DecimalField(
        _("volume (µL)"), max_digits=10, decimal_places=2, null=True, blank=True
    )
    box = models.ForeignKey(
        Box, on_delete=models.PROTECT, null=True, blank=True, related_name="samples"
    )
    box_row = models.PositiveSmallIntegerField(null=True, blank=True)
    box_column = models.PositiveSmallIntegerField(null=True, blank=True)
    held_at = models.ForeignKey(
        Site,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="samples_held",
        help_text=_("The site that received it; empty where it never left its own."),
    )
    status = models.CharField(max_length=10, choices=Status, default=Status.STORED)

    objects: ClassVar = SampleQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(name="sample_of_a_site", fields=["site", "id"]),
            # By the beginning of its code, whatever the language of the database.
            models.Index(OpClass("code", "varchar_pattern_ops"), name="sample_by_code"),
            # Where a site's tubes are is counted without looking at them.
            models.Index(name="sample_where_it_is", fields=["site", "status", "held_at"]),
            models.Index(
                name="sample_of_elsewhere", fields=["held_at", "id"], condition=LIES_ELSEWHERE
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                name="sample_code_once_a_site",
                fields=["site", "code"],
                violation_error_message=_("This site has a sample with that code already."),
            ),
            models.CheckConstraint(
                name="sample_volume_not_negative",
                condition=Q(volume_ul=None) | Q(volume_ul__gte=0),
                violation_error_message=_("A tube holds no less than nothing: check the volumes."),
            ),
            models.UniqueConstraint(
                name="one_tube_a_place",
                fields=["box", "box_row", "box_column"],
                condition=Q(box__isnull=False),
                violation_error_message=_("Another tube is in that place of the box."),
            ),
            models.CheckConstraint(
                name="sample_place_whole",
                condition=Q(box=None, box_row=None, box_column=None)
                | Q(box__isnull=False, box_row__gte=1, box_column__gte=1),
                violation_error_message=_("A place is a box, a row and a column, from 1."),
            ),
            models.CheckConstraint(
                name="sample_second_spin_known",
                condition=~Q(second_centrifugation="M"),
                violation_error_message=_(
                    "SPREC knows 30 min under 1,000 g as a first centrifugation only."
                ),
            ),
            models.CheckConstraint(
                name="sample_spun_twice_after_once",
                condition=~Q(centrifugation="N") | Q(second_centrifugation__in=("", "N")),
                violation_error_message=_(
                    "Spun a second time but never a first time: check both centrifugations."
                ),
            ),
            models.CheckConstraint(
                name="sample_spun_after_collected",
                condition=Q(spun_at=None)
                | Q(collected_at=None)
                | Q(spun_at__gte=F("collected_at")),
                violation_error_message=_("Spun before it was collected: check both times."),
            ),
            models.CheckConstraint(
                name="sample_frozen_after_collected",
                condition=Q(frozen_at=None)
                | Q(collected_at=None)
                | Q(frozen_at__gte=F("collected_at")),
                violation_error_message=_("Frozen before it was collected: check both times."),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def is_away(self) -> bool:
        """Whether it lies in the laboratory of another site than its own."""
        return self.held_at_id not in (None, self.site_id)

    @property
    def lies_at(self) -> Site:
        return self.held_at or self.site

    def handled_by(self, user: User | AnonymousUser, verb: str) -> bool:
        """Whether the user may do that to it where it lies."""
        if self.is_away:
            return access.may(user, "held_sample", verb, self.held_at_id)
        return access.may(user, "sample", verb, self.site_id)

    def known_to(self, user: User | AnonymousUser) -> bool:
        """Whether the user may be told whose it is."""
        return access.may(user, "sample", "R", self.site_id)

    @property
    def place(self) -> str:
        """Such as ``B7 3/4``: box, row, column; empty where none is recorded."""
        return f"{self.box} {self.box_row}/{self.box_column}" if self.box else ""

    @property
    def spin_delay_hours(self) -> float | None:
        """Hours from collection to separation; None where either time is not recorded."""
        return hours_between(self.collected_at, self.spun_at)


def hours_between(before: datetime | None, after: datetime | None) -> float | None:
    """None where either time is not recorded."""
    if before is None or after is None:
        return None
    return (after - before).total_seconds() / 3600
