"""Questionnaires and the answers to them; scores are derived (scoring.py), never typed in."""

from __future__ import annotations

import re
from typing import Any, ClassVar

from django.contrib.postgres.fields import ArrayField
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from cohorts import cut_offs
from cohorts.models.participant import Participant, Visit
from cohorts.models.scoping import ScopedQuerySet


def refuse_unclear_cut_offs(kept: Any) -> None:
    """A score is never held against a cut-off that cannot be read."""
    try:
        unclear = [each for each in dict(kept).values() if not cut_offs.is_clear(each)]
    except (TypeError, ValueError):
        unclear = [kept]
    if unclear:
        raise ValidationError(
            _(
                "Write each language with its number, or with at_or_above or below and a number, "
                'such as {"ja": {"at_or_above": 42}}.'
            )
        )


class InstrumentQuerySet(ScopedQuerySet["Instrument"]):
    resource = "dictionary"
    site_path = ""

    def in_order_of_versions(self) -> list[Instrument]:
        """The oldest first, version 10 after version 9."""

        def parts(each: Instrument) -> list[tuple[int, str]]:
            numbers = re.findall(r"[0-9]+|[^0-9]+", each.version)
            return [(int(part), "") if part.isdecimal() else (-1, part) for part in numbers]

        return sorted(self, key=parts)


class Instrument(models.Model):
    """Editable reference data; item texts are not shipped."""

    code = models.CharField(max_length=20)
    version = models.CharField(max_length=20, default="1")
    title = models.CharField(max_length=200)
    n_items = models.PositiveSmallIntegerField(null=True, blank=True)
    item_min = models.SmallIntegerField(default=0)
    item_max = models.SmallIntegerField(default=4)
    total_min = models.FloatField(null=True, blank=True)
    total_max = models.FloatField(null=True, blank=True)
    languages = ArrayField(models.CharField(max_length=16), default=list, blank=True)
    reversed_items = ArrayField(models.PositiveSmallIntegerField(), default=list, blank=True)
    subscales = models.JSONField(default=dict, blank=True)
    cut_offs = models.JSONField(
        _("cut-off per language"), default=dict, blank=True, validators=[refuse_unclear_cut_offs]
    )
    max_missing_items = models.PositiveSmallIntegerField(default=0)
    to_be_confirmed = models.TextField(
        blank=True, help_text=_("Facts recalled and not yet checked at the source.")
    )
    source = models.TextField(blank=True)

    objects: ClassVar = InstrumentQuerySet.as_manager()

    class Meta:
        ordering = ["code", "version"]
        constraints = [
            models.UniqueConstraint(
                name="instrument_version_once",
                fields=["code", "version"],
                violation_error_message=_("This instrument has that version already."),
            ),
            models.CheckConstraint(
                name="instrument_item_range",
                condition=Q(item_max__gt=models.F("item_min")),
                violation_error_message=_("The highest item score lies above the lowest."),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.code} v{self.version}"


class AssessmentQuerySet(ScopedQuerySet["Assessment"]):
    resource = "assessment"
    site_path = "participant__site"


class Assessment(models.Model):
    participant = models.ForeignKey(
        Participant, on_delete=models.CASCADE, related_name="assessments"
    )
    visit = models.ForeignKey(Visit, on_delete=models.SET_NULL, null=True, blank=True)
    instrument = models.ForeignKey(Instrument, on_delete=models.PROTECT)
    language = models.CharField(max_length=16, blank=True)
    assessed_on = models.DateField()
    items = ArrayField(models.SmallIntegerField(null=True), default=list, blank=True)
    sent_total = models.FloatField(_("total as the site sent it"), null=True, blank=True)
    score = models.FloatField(null=True, blank=True, editable=False)
    scoring_version = models.CharField(max_length=20, blank=True, editable=False, db_index=True)
    variables = models.JSONField(
        default=dict, blank=True, help_text=_("Context variables of that day, by the dictionary.")
    )

    objects: ClassVar = AssessmentQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                name="assessment_once_a_day",
                fields=["participant", "instrument", "assessed_on"],
                violation_error_message=_("That instrument was answered on that day already."),
            )
        ]

    def __str__(self) -> str:
        return f"{self.participant} {self.instrument.code} {self.assessed_on}"

    @property
    def cut_off(self) -> float | None:
        """The cut-off of the language that was answered in; None where nobody validated one."""
        return cut_offs.number_of(self.instrument.cut_offs.get(self.language))

    @property
    def cut_off_words(self) -> str:
        """The same with the side on which it counts."""
        return cut_offs.words_of(self.instrument.cut_offs.get(self.language))
