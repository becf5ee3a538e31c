"""Participants, pseudonymised, and their visits."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import ClassVar, Self

from django.core.validators import RegexValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from cohorts.models.scoping import ScopedQuerySet
from cohorts.models.site import Site

CODE_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"


class ParticipantQuerySet(ScopedQuerySet["Participant"]):
    resource = "participant"

    def locked(self, pk: int) -> Participant:
        """The participant with site and study, the own row locked until commit."""
        rows = self.select_for_update(of=("self",)).select_related("site__study", "merged_into")
        found: Participant = rows.get(pk=pk)
        return found

    def counted(self) -> Self:
        """Without the second records of people that were merged into their first."""
        return self.filter(merged_into=None)

    def consenting_to(self, scopes: Collection[str], on: date) -> Self:
        """A consent in force on that day grants every scope; no withdrawal stops further use."""
        from cohorts.models.consent import Consent, Withdrawal

        granting = Consent.objects.in_force(on).granting(scopes)
        stopped = Withdrawal.objects.effective(on).stopping_use()
        return self.filter(
            models.Exists(granting.filter(participant=models.OuterRef("pk"))),
            ~models.Exists(stopped.filter(participant=models.OuterRef("pk"))),
        )


class Participant(models.Model):
    """Nothing here names a person: a study code, and what the analyses need."""

    class Sex(models.TextChoices):
        FEMALE = "female", _("Female")
        MALE = "male", _("Male")
        INTERSEX = "intersex", _("Intersex")
        UNKNOWN = "unknown", _("Unknown")

    site = models.ForeignKey(Site, on_delete=models.PROTECT, related_name="participants")
    code = models.CharField(
        max_length=64,
        validators=[
            RegexValidator(CODE_PATTERN, _("Letters, digits, dot, dash and underscore only."))
        ],
    )
    sex = models.CharField(max_length=8, choices=Sex)
    group = models.SlugField()
    enrolled_on = models.DateField()
    birth_year = models.PositiveSmallIntegerField(null=True, blank=True)
    age_years = models.FloatField(_("age at enrolment (years)"), null=True, blank=True)
    drug_free = models.BooleanField(null=True, blank=True)
    washout_on = models.DateField(_("drug-free since"), null=True, blank=True)
    variables = models.JSONField(
        default=dict,
        blank=True,
        help_text=_("Further numbers of this study, such as a severity grade."),
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    person = models.UUIDField(
        null=True,
        blank=True,
        editable=False,
        help_text=_("The same in every record of one person; empty where there is one record."),
    )
    merged_into = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, blank=True, related_name="merged"
    )
    left_on = models.DateField(_("moved to another site on"), null=True, blank=True)

    objects: ClassVar = ParticipantQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        indexes = [
            models.Index(
                name="participant_person", fields=["person"], condition=Q(person__isnull=False)
            ),
            models.Index(name="participant_of_a_site", fields=["site", "id"]),
        ]
        constraints = [
            models.UniqueConstraint(
                name="participant_code_once_a_site",
                fields=["site", "code"],
                violation_error_message=_("This site has a participant with that code already."),
            ),
            models.CheckConstraint(
                name="participant_age_plausible",
                condition=Q(age_years=None) | Q(age_years__gte=0, age_years__lte=120),
                violation_error_message=_("Age is in years, 0 to 120."),
            ),
            models.CheckConstraint(
                name="participant_sex_known_word",
                condition=Q(sex__in=["female", "male", "intersex", "unknown"]),
                violation_error_message=_("Sex is female, male, intersex or unknown."),
            ),
            models.CheckConstraint(
                name="participant_merged_into_another",
                condition=Q(merged_into=None) | ~Q(merged_into=F("id")),
                violation_error_message=_("A record is not merged into itself."),
            ),
            models.CheckConstraint(
                name="participant_birth_year_plausible",
                condition=Q(birth_year=None)
                | Q(
                    enrolled_on__year__gte=F("birth_year"),
                    enrolled_on__year__lte=F("birth_year") + 120,
                ),
                violation_error_message=_(
                    "The birth year makes an age at enrolment outside 0 to 120 years: check "
                    "both years."
                ),
            ),
            models.CheckConstraint(
                name="participant_washout_when_drug_free",
                condition=Q(washout_on=None) | Q(drug_free__isnull=False, drug_free=True),
                violation_error_message=_(
                    "A washout date belongs to somebody who is drug-free: correct one of the two."
                ),
            ),
        ]

    def __str__(self) -> str:
        return self.code

    @property
    def age_at_enrolment(self) -> float | None:
        """Years; from the birth year where the site sends no age."""
        if self.age_years is not None:
            return self.age_years
        return None if self.birth_year is None else float(self.enrolled_on.year - self.birth_year)


class VisitQuerySet(ScopedQuerySet["Visit"]):
    resource = "participant"
    site_path = "participant__site"


class Visit(models.Model):
    participant = models.ForeignKey(Participant, on_delete=models.CASCADE, related_name="visits")
    label = models.CharField(max_length=40)
    visited_on = models.DateField(null=True, blank=True)

    objects: ClassVar = VisitQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="visit_label_once",
                fields=["participant", "label"],
                violation_error_message=_("This participant has a visit with that label already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.participant} {self.label}"
