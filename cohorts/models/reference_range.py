"""Reference ranges by assay, sex and age: editable data with their source."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar, Self

from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cohorts.models.feature import Feature
from cohorts.models.scoping import ScopedQuerySet
from cohorts.ranges import Bounds


class ReferenceRangeQuerySet(ScopedQuerySet["ReferenceRange"]):
    resource = "dictionary"
    site_path = ""

    def hulls(self) -> dict[int, tuple[float, float]]:
        """By feature: the widest range over matrices, sexes and ages."""
        found = (
            self.order_by()
            .values("feature")
            .annotate(lowest=models.Min("low"), highest=models.Max("high"))
        )
        return {row["feature"]: (row["lowest"], row["highest"]) for row in found}

    def bounds(self, feature_ids: Collection[int]) -> dict[int, tuple[Bounds, ...]]:
        """By feature: its ranges, as `cohorts.ranges` judges by them."""
        found: dict[int, tuple[Bounds, ...]] = {}
        for each in self.filter(feature__in=feature_ids):
            found[each.feature_id] = (*found.get(each.feature_id, ()), each.bounds)
        return found

    def of_person(self, sex: str, age_years: float) -> Self:
        """Ranges that hold for this sex and age."""
        return self.filter(Q(sex="") | Q(sex=sex)).filter(
            Q(age_from=None) | Q(age_from__lte=age_years),
            Q(age_until=None) | Q(age_until__gt=age_years),
        )


class ReferenceRange(models.Model):
    """In the feature's canonical unit; an empty sex or age holds for all."""

    feature = models.ForeignKey(Feature, on_delete=models.CASCADE, related_name="ranges")
    platform = models.CharField(
        max_length=80, blank=True, help_text=_("Empty: of every platform that has none of its own.")
    )
    matrix = models.CharField(max_length=40, blank=True)
    sex = models.CharField(max_length=8, blank=True)
    age_from = models.FloatField(null=True, blank=True)
    age_until = models.FloatField(null=True, blank=True)
    low = models.FloatField()
    high = models.FloatField()
    source = models.CharField(max_length=200)
    to_be_confirmed = models.BooleanField(default=True)

    objects: ClassVar = ReferenceRangeQuerySet.as_manager()

    class Meta:
        ordering = ["feature_id", "sex", "age_from"]
        constraints = [
            models.CheckConstraint(
                name="range_low_below_high",
                condition=Q(low__gte=0, low__lt=F("high")),
                violation_error_message=_("The low end of a range is below its high end."),
            ),
            models.CheckConstraint(
                name="range_sex_known",
                condition=Q(sex__in=["", "female", "male"]),
                violation_error_message=_("A range is for female, for male, or for all (empty)."),
            ),
            models.CheckConstraint(
                name="range_ages_in_order",
                condition=Q(age_from=None) | Q(age_until=None) | Q(age_from__lt=F("age_until")),
                violation_error_message=_("A range's ages end after they begin: check both."),
            ),
            models.UniqueConstraint(
                name="range_once",
                fields=["feature", "platform", "matrix", "sex", "age_from", "age_until"],
                nulls_distinct=False,
                violation_error_message=_("This range is listed already: edit it."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.feature} {self.low:g}-{self.high:g} {self.feature.canonical_unit}"

    @property
    def bounds(self) -> Bounds:
        """The range without its row."""
        return Bounds(
            low=self.low,
            high=self.high,
            source=self.source,
            to_be_confirmed=self.to_be_confirmed,
            platform=self.platform,
            matrix=self.matrix,
            sex=self.sex,
            age_from=self.age_from,
            age_until=self.age_until,
        )
