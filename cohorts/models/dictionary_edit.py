"""An edit of the dictionary that one data manager proposes and another approves."""

from __future__ import annotations

from typing import ClassVar, Final, Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cohorts.models.acceptance import AcceptanceLimits
from cohorts.models.account import User
from cohorts.models.feature import Feature, FeatureAlias
from cohorts.models.reference_range import ReferenceRange
from cohorts.models.scoping import ScopedQuerySet

SUBJECTS: Final[dict[str, type[models.Model]]] = {
    "feature": Feature,
    "alias": FeatureAlias,
    "range": ReferenceRange,
    "limits": AcceptanceLimits,
}


class DictionaryEditQuerySet(ScopedQuerySet["DictionaryEdit"]):
    resource = "dictionary_edit"
    site_path = ""

    def waiting(self) -> Self:
        """Nobody has decided."""
        return self.filter(approved=None)


class DictionaryEdit(models.Model):
    """``was`` and ``becomes`` are the fields that differ; nothing is in force before approval."""

    class Kind(models.TextChoices):
        ADD = "add", _("is added")
        CHANGE = "change", _("is changed")
        RENAME = "rename", _("is called anew")
        MERGE = "merge", _("is one with")
        SPLIT = "split", _("is split")

    class Subject(models.TextChoices):
        FEATURE = "feature", _("Feature")
        ALIAS = "alias", _("Other name")
        RANGE = "range", _("Reference range")
        LIMITS = "limits", _("Acceptance limits")

    kind = models.CharField(max_length=6, choices=Kind)
    subject = models.CharField(max_length=7, choices=Subject)
    subject_id = models.PositiveBigIntegerField(null=True, blank=True)
    label = models.CharField(max_length=300)
    was = models.JSONField(default=dict, blank=True)
    becomes = models.JSONField(default=dict)
    reason = models.CharField(max_length=300)
    proposed_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField(db_default=Now(), editable=False)
    approved = models.BooleanField(null=True, blank=True)
    decided_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    note = models.CharField(_("why it was refused"), max_length=300, blank=True)

    objects: ClassVar = DictionaryEditQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = _("edits of the dictionary")
        constraints = [
            models.CheckConstraint(
                name="dictionary_edit_has_reason",
                condition=~Q(reason=""),
                violation_error_message=_("Say why the dictionary is edited."),
            ),
            models.CheckConstraint(
                name="dictionary_edit_takes_two",
                condition=Q(approved=None) | Q(approved=False) | ~Q(decided_by=F("proposed_by")),
                violation_error_message=_("Somebody else than who proposed an edit approves it."),
            ),
            models.CheckConstraint(
                name="dictionary_edit_decision_whole",
                condition=Q(approved=None, decided_by=None, decided_at=None)
                | Q(approved__isnull=False, decided_by__isnull=False, decided_at__isnull=False),
                violation_error_message=_("A decision has a person and a time."),
            ),
            models.CheckConstraint(
                name="dictionary_edit_refusal_says_why",
                condition=Q(approved=None) | Q(approved=True) | ~Q(note=""),
                violation_error_message=_("Say why the edit is refused."),
            ),
            models.UniqueConstraint(
                name="one_waiting_edit_a_subject",
                fields=["subject", "subject_id"],
                condition=Q(approved=None, subject_id__isnull=False),
                violation_error_message=_("An edit of this entry waits already: decide on that."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.label} {self.get_kind_display()}"

    @property
    def state(self) -> str:
        """``waiting``, ``approved`` or ``refused``."""
        return {None: "waiting", True: "approved", False: "refused"}[self.approved]

    @property
    def difference(self) -> list[tuple[str, object, object]]:
        """Field, what it is in the dictionary, what it becomes."""
        return [(name, self.was.get(name), new) for name, new in sorted(self.becomes.items())]
