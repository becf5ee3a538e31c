"""The study's planned visits, and what an interview records of a person's withdrawal."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cohorts.models.participant import Participant
from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Study
from cohorts.scoring import WithdrawalFacts, WithdrawalGrade, withdrawal_grades

FACTS = (
    "isolated_at_home",
    "months",
    "impaired_or_distressed",
    "days_out_a_week",
    "rarely_leaves_room",
    "avoids_school_or_work",
    "avoids_contact",
)


class ProtocolVisitQuerySet(ScopedQuerySet["ProtocolVisit"]):
    resource = "study"
    site_path = ""


class ProtocolVisit(models.Model):
    """A visit that the protocol plans: days are counted from the enrolment."""

    study = models.ForeignKey(Study, on_delete=models.CASCADE, related_name="protocol_visits")
    label = models.CharField(max_length=40)
    target_day = models.PositiveSmallIntegerField()
    days_before = models.PositiveSmallIntegerField(_("days that it may be early"), default=0)
    days_after = models.PositiveSmallIntegerField(_("days that it may be late"), default=0)

    objects: ClassVar = ProtocolVisitQuerySet.as_manager()

    class Meta:
        ordering = ["study_id", "target_day"]
        constraints = [
            models.UniqueConstraint(
                name="protocol_visit_once",
                fields=["study", "label"],
                violation_error_message=_("The protocol has a visit with that label already."),
            )
        ]

    def __str__(self) -> str:
        return self.label


class InterviewQuerySet(ScopedQuerySet["Interview"]):
    resource = "assessment"
    site_path = "participant__site"


class Interview(models.Model):
    """Criteria of social withdrawal as asked; the grades are computed, never typed in."""

    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="interviews"
    )
    interviewed_on = models.DateField()
    isolated_at_home = models.BooleanField(_("marked isolation at home"), null=True, blank=True)
    months = models.FloatField(_("for how many months"), null=True, blank=True)
    impaired_or_distressed = models.BooleanField(null=True, blank=True)
    days_out_a_week = models.PositiveSmallIntegerField(null=True, blank=True)
    rarely_leaves_room = models.BooleanField(_("rarely leaves one room"), null=True, blank=True)
    avoids_school_or_work = models.BooleanField(null=True, blank=True)
    avoids_contact = models.BooleanField(_("avoids friends and family"), null=True, blank=True)

    objects: ClassVar = InterviewQuerySet.as_manager()

    class Meta:
        ordering = ["-interviewed_on", "-id"]
        indexes = [models.Index(name="interview_newest", fields=["-interviewed_on", "-id"])]
        constraints = [
            models.UniqueConstraint(
                name="interview_once_a_day",
                fields=["participant", "interviewed_on"],
                violation_error_message=_("This participant was interviewed on that day already."),
            ),
            models.CheckConstraint(
                name="interview_days_of_a_week",
                condition=Q(days_out_a_week=None) | Q(days_out_a_week__lte=7),
                violation_error_message=_("A week has 7 days: check the days out."),
            ),
            models.CheckConstraint(
                name="interview_months_plausible",
                condition=Q(months=None) | Q(months__gte=0, months__lte=1200),
                violation_error_message=_("Months are 0 to 1200: check the duration."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.participant} {self.interviewed_on}"

    @property
    def grades(self) -> tuple[WithdrawalGrade, ...]:
        """By each set of criteria, named."""
        return withdrawal_grades(WithdrawalFacts(**{name: getattr(self, name) for name in FACTS}))
