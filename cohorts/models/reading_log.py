"""Who took people's records out of the platform by reading them in bulk."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.utils.translation import gettext_lazy as _

from cohorts.models.account import User
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site


class RecordReadingQuerySet(ScopedQuerySet["RecordReading"]):
    resource = "reading_log"


class RecordReading(models.Model):
    """Written before the first byte leaves; it names what was read and nobody who is in it."""

    read_by = models.ForeignKey(
        User, on_delete=models.PROTECT, related_name="readings", db_index=False
    )
    site = models.ForeignKey(
        Site,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        db_index=False,
        help_text=_("Empty: of every site."),
    )
    what = models.CharField(max_length=200)
    n_rows = models.PositiveIntegerField(_("rows"))
    read_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar = RecordReadingQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        # The audit trail reads those of a site, of one person there, and of some days.
        indexes = [
            models.Index(name="reading_of_a_site", fields=["site", "id"]),
            models.Index(name="reading_by_a_person", fields=["read_by", "site", "id"]),
            models.Index(name="reading_at", fields=["read_at"]),
        ]

    def __str__(self) -> str:
        return f"{self.read_by}: {self.what}"
