"""What was decided of the dictionary's names: the lineage of every feature. Append-only."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now
from django.utils.translation import gettext_lazy as _

from cohorts import access
from cohorts.models.feature import Feature
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models.account import User


class FeatureDecisionQuerySet(ScopedQuerySet["FeatureDecision"]):
    resource = "dictionary"
    site_path = ""

    def visible_to(self, user: User | AnonymousUser) -> Self:
        """Of everybody's names for all readers; a site's own names stay with that site."""
        where = access.reach(user, "source_name")
        shown = super().visible_to(user)
        if where.everywhere:
            return shown
        return shown.filter(Q(site=None) | Q(site__in=where.site_ids))

    def of(self, feature: Feature) -> Self:
        """Decisions that concern the feature, from either side."""
        return self.filter(Q(feature=feature) | Q(into=feature))


class FeatureDecision(models.Model):
    """One decision: by whom, why, and the names as they were before and after."""

    class Kind(models.TextChoices):
        ALIAS = "alias", _("is another name of")
        NEW = "new", _("is a feature of its own")
        IGNORE = "ignore", _("is not analysed")
        RENAME = "rename", _("is called anew")
        MERGE = "merge", _("is one with")
        SPLIT = "split", _("is split: one part is")

    kind = models.CharField(max_length=6, choices=Kind)
    feature = models.ForeignKey(Feature, on_delete=models.PROTECT, related_name="decisions")
    into = models.ForeignKey(
        Feature, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    site = models.ForeignKey(
        Site, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    old_name = models.CharField(max_length=200)
    new_name = models.CharField(max_length=200)
    n_columns = models.PositiveIntegerField(_("columns of batches that moved"), default=0)
    reason = models.CharField(max_length=300)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    decided_at = models.DateTimeField(db_default=Now(), editable=False)

    objects: ClassVar = FeatureDecisionQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                name="feature_decision_has_reason",
                condition=~Q(reason=""),
                violation_error_message=_("Say why."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.old_name} {self.get_kind_display()} {self.new_name}".strip()
