"""Acceptance limits of QC for a platform, or for one batch: editable data with their reason."""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import ClassVar, Final

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from cohorts.models.assay import AssayBatch
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Study

LIMITS: Final = ("rsd_percent", "blank_percent", "missing_percent", "failing_percent")


def _empty_or_above_zero(name: str) -> Q:
    return Q(**{name: None}) | Q(**{f"{name}__gt": 0})


class AcceptanceLimitsQuerySet(ScopedQuerySet["AcceptanceLimits"]):
    resource = "dictionary"
    site_path = ""

    def of(self, batch: AssayBatch) -> AcceptanceLimits | None:
        """Those of the batch, else of its platform; None where the study's hold."""
        own: AcceptanceLimits | None = self.filter(batch=batch).first()
        return own or self.filter(study=batch.site.study, platform__iexact=batch.platform).first()


class AcceptanceLimits(models.Model):
    """An empty limit is the study's."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="acceptance_limits")
    platform = models.CharField(max_length=80, blank=True)
    batch = models.OneToOneField(
        AssayBatch,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="acceptance_limits",
        help_text=_("Only where these limits are of one batch: leave the platform empty."),
    )
    rsd_percent = models.FloatField(_("RSD of QC pools, at most (%)"), null=True, blank=True)
    blank_percent = models.FloatField(
        _("blank against QC pools, at most (%)"), null=True, blank=True
    )
    missing_percent = models.FloatField(_("missing values, at most (%)"), null=True, blank=True)
    failing_percent = models.FloatField(
        _("features over a limit, at most (%)"), null=True, blank=True
    )
    reason = models.CharField(
        max_length=200, help_text=_("Where the limits come from, such as the kit's manual.")
    )

    objects: ClassVar = AcceptanceLimitsQuerySet.as_manager()

    class Meta:
        ordering = ["study_id", "platform", "batch_id"]
        verbose_name_plural = _("acceptance limits")
        constraints = [
            models.CheckConstraint(
                name="limits_of_platform_or_batch",
                condition=(Q(batch=None) & ~Q(platform="")) | Q(batch__isnull=False, platform=""),
                violation_error_message=_("Limits are of a platform or of one batch: name one."),
            ),
            models.CheckConstraint(
                name="limits_above_zero",
                condition=reduce(and_, map(_empty_or_above_zero, LIMITS)),
                violation_error_message=_("An acceptance limit is a percentage above 0."),
            ),
            models.UniqueConstraint(
                name="limits_of_a_platform_once",
                fields=["study", "platform"],
                condition=Q(batch=None),
                violation_error_message=_("This platform has limits already: edit them."),
            ),
        ]

    def __str__(self) -> str:
        return self.platform or gettext("batch %(n)s") % {"n": self.batch_id}
