"""Snapshots: which rows a run may read, and the digest of what they held."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.utils.translation import gettext_lazy as _

from cohorts.models import Study
from cohorts.models.scoping import ScopedQuerySet


class SnapshotQuerySet(ScopedQuerySet["Snapshot"]):
    resource = "unreleased_result"
    site_path = ""


class Snapshot(models.Model):
    """What was lawful and accepted at one moment: row numbers, and the digest of what they held."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT)
    digest = models.CharField(max_length=64, unique=True)
    change_seen = models.BigIntegerField(help_text=_("Newest change when it was taken."))
    participant_ids = ArrayField(models.BigIntegerField())
    assay_row_ids = ArrayField(models.BigIntegerField())
    assessment_ids = ArrayField(models.BigIntegerField())
    left_out = models.JSONField(
        default=list, help_text=_("Who is enrolled and not in it, counted by reason.")
    )
    later_erased = models.PositiveIntegerField(
        default=0, help_text=_("People whose row numbers were taken out of it after an erasure.")
    )
    taken_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar = SnapshotQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.digest[:12]
