"""Published claims, and what each run says of them."""

from __future__ import annotations

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from analysis.models.results import ResultQuerySet
from analysis.models.run import Run
from analysis.plans import STRATA
from cohorts.models import Study
from cohorts.models.scoping import ScopedQuerySet


def validate_stratum(name: str) -> None:
    """Raises ValidationError for people whom no plan looks at: nothing would ever be said of it."""
    if name not in STRATA:
        raise ValidationError(
            _("The stratum %(name)s is unknown; choose from %(known)s."),
            params={"name": name, "known": ", ".join(STRATA)},
        )


def validate_strata(names: list[str]) -> None:
    """Of all at once: Django's form keeps the place of a wrong item and drops what is wrong."""
    for name in names:
        validate_stratum(name)


validate_doi = RegexValidator(
    r"^10\.[0-9.]+/\S+$", _("A DOI begins with 10. and has a slash, such as 10.1000/182.")
)


class ClaimQuerySet(ScopedQuerySet["Claim"]):
    resource = "claim"
    site_path = ""


class Claim(models.Model):
    """A published statement that the study tests."""

    class Kind(models.TextChoices):
        FEATURE = "feature"
        CLASS = "class"
        CLASSIFIER = "classifier"
        SEVERITY = "severity"
        SUBGROUP = "subgroup"

    code = models.CharField(max_length=20, unique=True)
    study = models.ForeignKey(Study, on_delete=models.PROTECT, related_name="claims")
    kind = models.CharField(max_length=12, choices=Kind)
    marker = models.CharField(max_length=200)
    markers = ArrayField(
        models.CharField(max_length=200),
        default=list,
        help_text=_("Canonical features that stand for the marker, the preferred one first."),
    )
    matrix = models.CharField(max_length=40)
    stratum = models.CharField(max_length=20, validators=[validate_stratum])
    other_readings = ArrayField(
        models.CharField(max_length=20), default=list, blank=True, validators=[validate_strata]
    )
    direction = models.CharField(
        max_length=8, choices=[(w, w) for w in ("higher", "lower", "none")]
    )
    handling_sensitive = models.BooleanField(default=False)
    published_effect = models.FloatField(
        null=True,
        blank=True,
        help_text=_("Hedges g as published, where it is known: the power to see it is shown."),
    )
    doi = models.CharField(max_length=100, validators=[validate_doi])
    citation = models.TextField()
    scope_note = models.TextField(blank=True)

    objects: ClassVar = ClaimQuerySet.as_manager()

    class Meta:
        ordering = ["code"]
        constraints = [
            models.CheckConstraint(
                name="claim_of_a_marker_has_a_direction",
                condition=~Q(kind__in=["feature", "class"]) | ~Q(direction="none"),
                violation_error_message=(
                    _("A claim on a marker says higher or lower in cases: choose one.")
                ),
            ),
            models.CheckConstraint(
                name="claim_published_effect_is_not_zero",
                condition=Q(published_effect=None) | ~Q(published_effect=0),
                violation_error_message=(
                    _("A published effect of 0 is no effect: leave it empty where it is not known.")
                ),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} {self.marker}"


class Verdict(models.Model):
    """What one run says of one claim in one stratum."""

    class Word(models.TextChoices):
        REPLICATED = "replicated"
        OPPOSITE = "opposite"
        UNDECIDED = "undecided"
        NOT_TESTABLE = "not_testable", _("not testable")

    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="verdicts")
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="verdicts")
    stratum = models.CharField(max_length=20)
    verdict = models.CharField(max_length=12, choices=Word)
    reason = models.TextField()
    said = models.JSONField(
        default=dict,
        blank=True,
        editable=False,
        help_text=_("What the reason was made of, to be said in other languages."),
    )
    feature = models.CharField(max_length=200, blank=True)
    estimate = models.FloatField(null=True)
    ci_low = models.FloatField(null=True)
    ci_high = models.FloatField(null=True)
    always_low = models.FloatField(_("low end over all looks"), null=True)
    always_high = models.FloatField(_("high end over all looks"), null=True)
    n_sites = models.PositiveIntegerField(default=0)
    n_case = models.PositiveIntegerField(default=0)
    n_control = models.PositiveIntegerField(default=0)

    objects: ClassVar = ResultQuerySet.as_manager()

    class Meta:
        ordering = ["claim__code", "id"]
        constraints = [
            models.UniqueConstraint(name="verdict_once", fields=["run", "claim", "stratum"])
        ]

    def __str__(self) -> str:
        return f"{self.claim.code} {gettext(self.stratum)}: {self.get_verdict_display()}"
