"""A study's own context variables, as versions of its REDCap data dictionary."""

from __future__ import annotations

from typing import ClassVar, Self

from django.db import models
from django.utils.translation import gettext_lazy as _

from cohorts.models.account import User
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Study


class VariableDictionaryQuerySet(ScopedQuerySet["VariableDictionary"]):
    resource = "dictionary"
    site_path = ""

    def current(self, study: Study) -> Self:
        """Newest first; the first is the one that tables are checked by."""
        return self.filter(study=study).order_by("-version")


class VariableDictionary(models.Model):
    """One version; a change is a new version, and the earlier ones stay readable."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="dictionaries")
    version = models.PositiveIntegerField()
    variables = models.JSONField()
    left_out = models.JSONField(
        default=list, blank=True, help_text=_("Fields of the file that are never taken, with why.")
    )
    filename = models.CharField(max_length=255, blank=True)
    added_by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, blank=True)
    added_at = models.DateTimeField(auto_now_add=True)

    objects: ClassVar = VariableDictionaryQuerySet.as_manager()

    class Meta:
        ordering = ["study_id", "-version"]
        verbose_name_plural = _("variable dictionaries")
        constraints = [
            models.UniqueConstraint(
                name="dictionary_version_once",
                fields=["study", "version"],
                violation_error_message=_("The study has that version of its dictionary already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.study.code} v{self.version}"
