"""A batch that somebody wants out of use: asked for with a reason, decided by somebody else."""

from __future__ import annotations

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts.models.assay import AssayBatch
from cohorts.models.scoping import ScopedQuerySet


class BatchVoidQuerySet(ScopedQuerySet["BatchVoid"]):
    resource = "assay"
    site_path = "batch__site"

    def open(self) -> Self:
        """Asked for and not decided on."""
        return self.filter(approved=None)


class BatchVoid(models.Model):
    batch = models.ForeignKey(AssayBatch, on_delete=models.CASCADE, related_name="voids")
    reason = models.CharField(max_length=300)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    approved = models.BooleanField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True)

    objects: ClassVar = BatchVoidQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="batch_void_has_reason",
                condition=~Q(reason=""),
                violation_error_message=_("Say why the batch is voided."),
            ),
            models.CheckConstraint(
                name="batch_void_takes_two",
                condition=Q(decided_by=None) | ~Q(decided_by=F("asked_by")),
                violation_error_message=_("Somebody else than who asked decides."),
            ),
            models.UniqueConstraint(
                name="batch_void_asked_once",
                fields=["batch"],
                condition=Q(approved=None),
                violation_error_message=_(
                    "This has been asked for already: somebody else decides."
                ),
            ),
        ]

    def __str__(self) -> str:
        return gettext("batch %(n)s") % {"n": self.batch_id}
