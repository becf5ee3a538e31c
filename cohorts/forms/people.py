"""Forms about participants. They ask; the services decide."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.language.vocabulary import in_words
from cohorts.models import Participant, Site
from cohorts.services.enrolment import CORRECTABLE

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

YES_NO = [("", _("not recorded")), ("true", _("yes")), ("false", _("no"))]


def correction_reason_field() -> forms.CharField:
    """Why a record is corrected, whichever it is."""
    return forms.CharField(
        label=_("Why it is corrected"),
        max_length=300,
        help_text=_("Such as: read from the wrong line. No names."),
        error_messages={"required": _("Say why the record is corrected.")},
    )


def day_field(label: StrOrPromise, **more: Any) -> forms.DateField:
    """A day, picked or written."""
    return forms.DateField(
        label=label,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _("Not a date; write YYYY-MM-DD.")},
        **more,
    )


class CorrectionForm(PlainForm):
    """What is recorded of a participant, to be overwritten where it is wrong."""

    sex = forms.ChoiceField(label=_("Sex"), choices=Participant.Sex.choices)
    group = forms.ChoiceField(label=_("Group"))
    enrolled_on = day_field(_("Enrolled on"))
    birth_year = forms.IntegerField(label=_("Year of birth"), required=False)
    age_years = forms.FloatField(label=_("Age at enrolment (years)"), required=False)
    drug_free = forms.TypedChoiceField(
        label=_("Drug-free"),
        choices=YES_NO,
        coerce={"true": True, "false": False}.get,
        empty_value=None,
        required=False,
    )
    washout_on = day_field(_("Drug-free since"), required=False)
    reason = correction_reason_field()
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, person: Participant, **kwargs: Any) -> None:
        now = {name: getattr(person, name) for name in CORRECTABLE}
        words = {True: "true", False: "false", None: ""}
        kwargs["initial"] = now | {"drug_free": words[person.drug_free], "version": person.version}
        super().__init__(*args, **kwargs)
        self.person = person
        group = self.fields["group"]
        assert isinstance(group, forms.ChoiceField)  # noqa: S101 - declared above
        group.choices = [(g, in_words(g)) for g in sorted(person.site.study.groups)]

    @property
    def changes(self) -> dict[str, Any]:
        """Of the valid form, what differs from the record."""
        return {
            name: self.cleaned_data[name]
            for name in CORRECTABLE
            if self.cleaned_data[name] != getattr(self.person, name)
        }


class MergeForm(PlainForm):
    """A second record of the same person."""

    other = forms.CharField(
        label=_("Code of the second record"),
        max_length=64,
        help_text=_("What it holds moves; its code then leads here."),
    )
    reason = forms.CharField(
        label=_("How you know that they are one person"), max_length=300, help_text=_("No names.")
    )


def offer_other_sites(here: Site, field: forms.Field) -> None:
    """Let one choose among the study's other sites."""
    assert isinstance(field, forms.ChoiceField)  # noqa: S101 - declared so by its form
    others = Site.objects.filter(study=here.study_id).exclude(pk=here.pk).order_by("code")
    field.choices = [("", "–"), *((each.code, f"{each.code} {each.name}") for each in others)]


class MoveForm(PlainForm):
    """The site to which a participant moves."""

    to_site = forms.ChoiceField(label=_("The other site"))
    reason = forms.CharField(
        label=_("Why"),
        max_length=300,
        help_text=_("The other site reads it. No names, no addresses."),
    )

    def __init__(self, *args: Any, site: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer_other_sites(site, self.fields["to_site"])


class SamePersonForm(PlainForm):
    """A record of the same person at another site."""

    site = forms.ChoiceField(label=_("The other site"))
    code = forms.CharField(label=_("Code there"), max_length=64)
    reason = forms.CharField(
        label=_("How you know that they are one person"), max_length=300, help_text=_("No names.")
    )

    def __init__(self, *args: Any, here: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        offer_other_sites(here, self.fields["site"])


class OtherPersonForm(PlainForm):
    """Why the records are of different people after all."""

    reason = forms.CharField(label=_("Why"), max_length=300, help_text=_("No names."))


class TakeOverForm(PlainForm):
    """A participant who comes from another site."""

    code = forms.CharField(label=_("Code at this site"), max_length=64)
    on = day_field(_("Day of the move"))
