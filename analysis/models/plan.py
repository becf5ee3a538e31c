"""Plans: versioned data, fixed for ever once they are locked."""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import ClassVar, Self

import pgtrigger
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from analysis import plans
from cohorts.models import Study, User
from cohorts.models.scoping import ScopedQuerySet


class PlanQuerySet(ScopedQuerySet["Plan"]):
    resource = "plan"
    site_path = ""

    def newest_versions(self) -> Self:
        """What can be asked for by hand: the newest version of each plan, followed or not."""
        newest = Plan.objects.filter(name=models.OuterRef("name")).order_by("-version")
        return self.filter(pk=models.Subquery(newest.values("pk")[:1]))

    def current(self) -> Self:
        """The newest version of each plan that is still followed."""
        return self.newest_versions().filter(followed=True)


FIXED_BY_A_LOCK = (
    *("study", "name", "version", "data", "created_at", "written_by"),
    *("locked_at", "locked_by", "locked_digest", "tables_before_lock"),
)


class Plan(models.Model):
    """A version of an analysis plan; an edit is a new version."""

    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="plans")
    name = models.SlugField()
    version = models.PositiveIntegerField(default=1)
    data = models.JSONField(validators=[plans.validate])
    followed = models.BooleanField(default=True, help_text=_("Re-run whenever its inputs change."))
    created_at = models.DateTimeField(auto_now_add=True)
    written_by = models.ForeignKey(
        User,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        editable=False,
        related_name="+",
        help_text=_("Nobody for a plan that came with the platform or a study."),
    )
    locked_at = models.DateTimeField(null=True, editable=False)
    locked_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, editable=False, related_name="+"
    )
    locked_digest = models.CharField(max_length=64, blank=True, editable=False)
    tables_before_lock = models.PositiveIntegerField(null=True, editable=False)

    objects: ClassVar = PlanQuerySet.as_manager()

    class Meta:
        ordering = ["name", "-version"]
        constraints = [
            models.UniqueConstraint(
                name="plan_version_once",
                fields=["name", "version"],
                violation_error_message=_("This plan has that version already: raise the number."),
            ),
            models.CheckConstraint(
                name="plan_lock_is_whole",
                condition=Q(
                    locked_at=None, locked_by=None, locked_digest="", tables_before_lock=None
                )
                | Q(
                    locked_at__isnull=False,
                    locked_by__isnull=False,
                    locked_digest__regex="^[0-9a-f]{64}$",
                    tables_before_lock__isnull=False,
                ),
                violation_error_message=_(
                    "A lock has a time, a person, a digest and what had come."
                ),
            ),
        ]
        # What was registered stays as it was, whoever writes; only whether it is followed may turn.
        triggers: ClassVar = [
            pgtrigger.Protect(
                name="locked_plan_kept",
                operation=pgtrigger.Delete,
                condition=pgtrigger.Q(old__locked_at__isnull=False),
            ),
            pgtrigger.Protect(
                name="locked_plan_unchanged",
                operation=pgtrigger.Update,
                condition=pgtrigger.Q(old__locked_at__isnull=False)
                & reduce(
                    or_,
                    (
                        pgtrigger.Q(**{f"old__{name}__df": pgtrigger.F(f"new__{name}")})
                        for name in FIXED_BY_A_LOCK
                    ),
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def parsed(self) -> plans.AnalysisPlan:
        return plans.parse(self.data)
