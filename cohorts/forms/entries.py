"""Forms for typing in questionnaires and visits from paper. They ask; the services decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.forms import BoundField
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.forms.people import YES_NO, day_field
from cohorts.models import Instrument, Participant, ProtocolVisit, Visit
from cohorts.services.entries import Difference

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

MOST_RADIOS = 8  # beyond it an answer is typed as a number


class ItemsForm(PlainForm):
    """The instrument's items by number; their texts stay on the paper."""

    def __init__(self, *args: Any, instrument: Instrument, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.instrument = instrument
        for number in range(1, (instrument.n_items or 0) + 1):
            self.fields[f"item_{number}"] = _item_field(instrument, number)

    @property
    def item_fields(self) -> list[BoundField]:
        return [self[f"item_{n}"] for n in range(1, (self.instrument.n_items or 0) + 1)]

    @property
    def items(self) -> list[int | None]:
        """The answers of the valid form, None where unanswered."""
        return [self.cleaned_data[field.name] for field in self.item_fields]


class ScaleForm(ItemsForm):
    """A questionnaire of one participant, typed in for the first time."""

    on = day_field(_("Answered on"))
    language = forms.ChoiceField(label=_("Language of the paper form"), required=False)
    visit = forms.ChoiceField(label=_("Visit"), required=False)

    def __init__(
        self, *args: Any, instrument: Instrument, person: Participant, **kwargs: Any
    ) -> None:
        super().__init__(*args, instrument=instrument, **kwargs)
        visits = Visit.objects.filter(participant=person).values_list("label", flat=True)
        _offer(self, "visit", [("", _("none")), *((label, label) for label in visits)])
        spoken = instrument.languages
        _offer(self, "language", [(code, code) for code in spoken] or [("", _("not recorded"))])


def _correction_reason() -> forms.CharField:
    return forms.CharField(
        label=_("Why it is corrected"),
        max_length=300,
        required=False,
        help_text=_("Only where another entry is on record already."),
    )


class VisitForm(PlainForm):
    """The day of a visit; the labels are the protocol's where there is one."""

    label = forms.CharField(label=_("Visit"), max_length=40)
    on = day_field(_("Day of the visit"))
    reason = _correction_reason()

    def __init__(self, *args: Any, person: Participant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        planned = ProtocolVisit.objects.filter(study=person.site.study_id)
        labels = [(label, label) for label in planned.values_list("label", flat=True)]
        if labels:
            select = forms.Select(attrs={"class": "form-select"})
            self.fields["label"] = forms.ChoiceField(
                label=_("Visit"), choices=labels, widget=select
            )


def _asked(label: StrOrPromise) -> forms.TypedChoiceField:
    return forms.TypedChoiceField(
        label=label,
        choices=YES_NO,
        coerce={"true": True, "false": False}.get,
        empty_value=None,
        required=False,
    )


class InterviewForm(PlainForm):
    """The criteria of social withdrawal as asked; the grade is computed from them."""

    on = day_field(_("Day of the interview"))
    isolated_at_home = _asked(_("Marked isolation at home"))
    months = forms.FloatField(label=_("For how many months"), required=False, min_value=0)
    impaired_or_distressed = _asked(_("Impaired by it, or distressed"))
    days_out_a_week = forms.IntegerField(
        label=_("Days out of the house in a week"), required=False, min_value=0, max_value=7
    )
    rarely_leaves_room = _asked(_("Rarely leaves one room"))
    avoids_school_or_work = _asked(_("Avoids school or work"))
    avoids_contact = _asked(_("Avoids friends and family"))
    reason = _correction_reason()


class SettleForm(PlainForm):
    """Which of two answers the paper has, item by item."""

    reason = forms.CharField(
        label=_("How it was settled"), max_length=300, help_text=_("Such as: read again on paper.")
    )

    def __init__(self, *args: Any, differ: tuple[Difference, ...], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.differ = differ
        for each in differ:
            self.fields[f"item_{each.item}"] = forms.ChoiceField(
                label=_("Item %(number)s") % {"number": each.item},
                choices=[("first", _shown(each.first)), ("second", _shown(each.second))],
                widget=forms.RadioSelect,
            )

    @property
    def rows(self) -> list[tuple[Difference, BoundField]]:
        return [(each, self[f"item_{each.item}"]) for each in self.differ]

    @property
    def answers(self) -> dict[int, int | None]:
        """By item, what the valid form decides."""
        chosen = {each.item: self.cleaned_data[f"item_{each.item}"] for each in self.differ}
        return {
            each.item: each.first if chosen[each.item] == "first" else each.second
            for each in self.differ
        }


def _item_field(instrument: Instrument, number: int) -> forms.Field:
    low, high = instrument.item_min, instrument.item_max
    if high - low >= MOST_RADIOS:
        return forms.IntegerField(
            label=_("Item %(number)s") % {"number": number},
            required=False,
            min_value=low,
            max_value=high,
        )
    return forms.TypedChoiceField(
        label=_("Item %(number)s") % {"number": number},
        required=False,
        coerce=int,
        empty_value=None,
        choices=[(str(value), str(value)) for value in range(low, high + 1)] + [("", _("none"))],
        widget=forms.RadioSelect,
    )


def _offer(form: forms.Form, name: str, choices: list[tuple[str, str | Promise]]) -> None:
    field = form.fields[name]
    assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared above
    field.choices = choices


def _shown(answer: int | None) -> str | Promise:
    return _("no answer") if answer is None else str(answer)
