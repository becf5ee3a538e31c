"""The form on which somebody new is enrolled, with the consent that was signed."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.forms.consent import (
    basis_field,
    choose_the_only_one,
    offer_forms_of,
    refuse_both,
    scopes_field,
    signed_form_field,
)
from cohorts.forms.people import YES_NO, day_field
from cohorts.language.vocabulary import in_words
from cohorts.models import Participant, Site
from cohorts.services.enrolling import RefusedEnrolment, SignedConsent

# Column of a participants table -> field of this form, where they are not of one name.
FIELDS = {"participant": "code"}
CELLS = ("participant", "sex", "group", "enrolled_on", "birth_year", "age_years", "drug_free")


class EnrolmentForm(PlainForm):
    """Somebody new; nothing by which a person could be recognised is asked."""

    code = forms.CharField(label=_("Study code"), max_length=64)
    group = forms.ChoiceField(label=_("Group"))
    sex = forms.ChoiceField(label=_("Sex"), choices=[("", "–"), *Participant.Sex.choices])
    enrolled_on = day_field(_("Enrolled on"))
    birth_year = forms.CharField(
        label=_("Year of birth"),
        required=False,
        max_length=10,
        help_text=_("The year alone (YYYY), or the age instead."),
        widget=forms.TextInput(attrs={"inputmode": "numeric"}),
    )
    age_years = forms.CharField(
        label=_("Age at enrolment (years)"),
        required=False,
        max_length=10,
        widget=forms.TextInput(attrs={"inputmode": "decimal"}),
    )
    drug_free = forms.ChoiceField(label=_("Drug-free"), choices=YES_NO, required=False)
    signed_on = day_field(_("Signed on"), required=False)
    form = signed_form_field()
    basis = basis_field()
    scopes = scopes_field(required=False)

    def __init__(self, *args: Any, site: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        group = self.fields["group"]
        assert isinstance(group, forms.ChoiceField)  # noqa: S101 - declared above
        group.choices = [("", "–"), *((g, in_words(g)) for g in sorted(site.study.groups))]
        offer_forms_of(site, self.fields["form"])
        choose_the_only_one(site, self)
        self.fields["code"].help_text = _(
            "Such as %(code)s. Never a name or a hospital number."
        ) % {"code": f"{site.code}-014"}

    def clean(self) -> dict[str, Any]:
        """A consent is whole or not there."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        # A form that stood there already says nothing by itself.
        chosen = said.get("form") and said["form"].pk != self.fields["form"].initial
        if said.get("signed_on") or said.get("scopes") or chosen or said.get("basis"):
            refuse_both(self)
            if not said.get("signed_on"):
                self.add_error("signed_on", _("Give the day on which the consent was signed."))
            if not said.get("scopes"):
                self.add_error("scopes", _("Tick what the participant agreed to."))
            if not said.get("form") and not said.get("basis"):
                self.add_error("form", _("Choose the form that was signed, or give the basis."))
        return said

    @property
    def cells(self) -> dict[str, str]:
        """Of the valid form, the cells of a participants table."""
        said = self.cleaned_data | {
            "enrolled_on": format(self.cleaned_data["enrolled_on"], "%Y-%m-%d"),
            "drug_free": {"true": "yes", "false": "no"}.get(self.cleaned_data["drug_free"], ""),
        }
        return {column: str(said[FIELDS.get(column, column)]).strip() for column in CELLS}

    @property
    def signed(self) -> SignedConsent | None:
        """Of the valid form, the consent, where one was signed."""
        said = self.cleaned_data
        if not said["signed_on"]:
            return None
        return SignedConsent(said["form"], said["basis"], said["signed_on"], said["scopes"])

    def take_faults(self, refused: RefusedEnrolment) -> None:
        """Each fault beside the field that it is about."""
        for fault in refused.faults:
            name = FIELDS.get(fault.column or "", fault.column or "")
            self.add_error(name if name in self.fields else None, str(fault.message))
