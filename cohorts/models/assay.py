"""What was measured: batches, and one packed vector of values a sample."""

from __future__ import annotations

from datetime import date
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np
from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _
from numpy.typing import NDArray

from cohorts import access
from cohorts.models.feature import Feature
from cohorts.models.sample import Sample
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site
from cohorts.models.upload import Upload

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models.account import User


class ValueFlag(IntEnum):
    """What stands behind a value; below detection is not missing."""

    MEASURED = 0
    BELOW_LOD = 1  # the value is the limit in the reported unit, NaN where no limit is known
    MISSING = 2
    EXCLUDED = 3


class AssayBatchQuerySet(ScopedQuerySet["AssayBatch"]):
    resource = "assay"

    def accepted(self) -> Self:
        """Taken into the records and not voided since."""
        return self.filter(status=AssayBatch.Status.ACCEPTED)

    def usable(self, on: date) -> Self:
        """Accepted, and no embargo keeps it from the runs of that day."""
        free = Q(embargo_until=None) | Q(embargo_until__lte=on)
        return self.accepted().filter(free)

    def reported_to(self, user: User | AnonymousUser) -> Self:
        """Batches whose quality the user may read: of an analyst, those of k people and more."""
        seen = self.visible_to(user)
        if not access.reach(user, "quality_report").everywhere or access.may(user, "assay", "R"):
            return seen
        people = models.Count("rows__sample__participant", distinct=True)
        enough = AssayBatch.objects.annotate(n_people=people).filter(
            n_people__gte=settings.DISCLOSURE_K
        )
        return self.filter(pk__in=enough.order_by().values("pk"))


class AssayBatch(models.Model):
    """One run of one platform at one site."""

    class Status(models.TextChoices):
        ACCEPTED = "accepted"
        VOIDED = "voided"

    class Scale(models.TextChoices):
        RAW = "raw"
        LOG2 = "log2"
        LN = "ln"
        LOG10 = "log10"
        STANDARDISED = "standardised"

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="assay_batches")
    upload = models.ForeignKey(Upload, on_delete=models.PROTECT, related_name="assay_batches")
    label = models.CharField(max_length=80, blank=True)
    platform = models.CharField(max_length=80)
    matrix = models.CharField(max_length=40)
    scale = models.CharField(max_length=12, choices=Scale, default=Scale.RAW)
    run_date = models.DateField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=Status, default=Status.ACCEPTED)
    void_reason = models.CharField(max_length=300, blank=True)
    embargo_until = models.DateField(
        _("not before"),
        null=True,
        blank=True,
        help_text=_("No run uses the batch before this day."),
    )
    replaces = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaced_by"
    )
    version = models.PositiveIntegerField(default=1, editable=False)

    objects: ClassVar = AssayBatchQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name_plural = _("assay batches")
        constraints = [
            models.CheckConstraint(
                name="assay_void_has_reason",
                condition=~Q(status="voided") | ~Q(void_reason=""),
                violation_error_message=_("Say why the batch is voided."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.site.code} {self.platform} {self.label}".strip()


class BatchFeatureQuerySet(ScopedQuerySet["BatchFeature"]):
    resource = "assay"
    site_path = "batch__site"


class BatchFeature(models.Model):
    """A column of a batch: the place of its values in every row's vector, and how to read them."""

    batch = models.ForeignKey(AssayBatch, on_delete=models.CASCADE, related_name="columns")
    position = models.PositiveIntegerField()
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT)
    source_name = models.CharField(max_length=200)
    unit = models.CharField(_("reported unit"), max_length=20)
    factor = models.FloatField(
        _("factor to the canonical unit"),
        null=True,
        blank=True,
        help_text=_("Empty: never converted."),
    )
    lod = models.FloatField(_("limit of detection, reported unit"), null=True, blank=True)

    objects: ClassVar = BatchFeatureQuerySet.as_manager()

    class Meta:
        ordering = ["batch_id", "position"]
        constraints = [
            models.UniqueConstraint(name="batch_position_once", fields=["batch", "position"]),
            models.UniqueConstraint(
                name="batch_feature_once",
                fields=["batch", "feature"],
                violation_error_message=_("Two columns of this batch are the same feature."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.source_name} [{self.unit}]"


class AssayRowQuerySet(ScopedQuerySet["AssayRow"]):
    resource = "row_values"
    site_path = "batch__site"


class AssayRow(models.Model):
    """All values of one sample in one batch, packed as little-endian float64 in column order."""

    class Type(models.TextChoices):
        STUDY = "study"
        QC = "qc"
        BLANK = "blank"

    # Rows of a batch are found by the index that keeps a sample from being there twice.
    batch = models.ForeignKey(
        AssayBatch, on_delete=models.CASCADE, related_name="rows", db_index=False
    )
    sample = models.ForeignKey(
        Sample, on_delete=models.CASCADE, null=True, blank=True, related_name="assay_rows"
    )
    label = models.CharField(max_length=80)
    sample_type = models.CharField(max_length=5, choices=Type, default=Type.STUDY)
    injection_order = models.PositiveIntegerField(null=True, blank=True)
    packed_values = models.BinaryField()
    packed_flags = models.BinaryField()

    objects: ClassVar = AssayRowQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes: ClassVar = [
            # Whether there are any is asked of every batch, and most have none.
            models.Index(
                name="pool_or_blank_of_a_batch",
                fields=["batch"],
                condition=~models.Q(sample_type="study"),
            )
        ]
        constraints = [
            models.CheckConstraint(
                name="study_row_names_its_sample",
                condition=~Q(sample_type="study") | Q(sample__isnull=False),
                violation_error_message=_("A study sample's row names the sample."),
            ),
            models.UniqueConstraint(
                name="sample_once_a_batch",
                fields=["batch", "sample"],
                violation_error_message=_("This batch has values of that sample already."),
            ),
        ]

    def __str__(self) -> str:
        return self.label

    @property
    def values(self) -> NDArray[np.float64]:
        """Reported values, shape (n_features of the batch,), in the batch's column order."""
        return np.frombuffer(self.packed_values, dtype="<f8")

    @property
    def flags(self) -> NDArray[np.uint8]:
        """`ValueFlag` of each value, the same shape."""
        return np.frombuffer(self.packed_flags, dtype=np.uint8)


def pack_values(values: NDArray[np.float64]) -> bytes:
    """The bytes that `AssayRow.values` reads back exactly."""
    return np.ascontiguousarray(values, dtype="<f8").tobytes()


def pack_flags(flags: NDArray[np.uint8]) -> bytes:
    """The bytes that `AssayRow.flags` reads back exactly."""
    return np.ascontiguousarray(flags, dtype=np.uint8).tobytes()
