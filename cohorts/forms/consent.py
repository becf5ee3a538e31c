"""The forms on which a consent is recorded, put right and withdrawn."""

from __future__ import annotations

from datetime import date
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts import clock, models
from cohorts.forms.base import PlainForm
from cohorts.forms.people import correction_reason_field, day_field
from cohorts.language.vocabulary import WORDS
from cohorts.models import Consent, Site, Withdrawal
from cohorts.models.consent import SCOPES


def signed_form_field() -> forms.ModelChoiceField[models.ConsentForm]:
    """The version that was signed; `offer_forms_of` says which there are."""
    return forms.ModelChoiceField(
        models.ConsentForm.objects.none(),
        label=_("Signed form"),
        required=False,
        empty_label=_("not listed: say on what basis below"),
    )


def offer_forms_of(site: Site, field: forms.Field) -> None:
    """Let one choose among the site's versions."""
    assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - a `signed_form_field`
    field.queryset = models.ConsentForm.objects.filter(site=site).select_related("site")


def choose_the_only_one(site: Site, form: forms.Form) -> None:
    """Where one version alone can be signed today, it is what was signed, unless somebody says."""
    versions = models.ConsentForm.objects.filter(site=site)
    usable = list(versions.signable(clock.today_at(site))[:2])
    if len(usable) == 1:
        form.fields["form"].initial = usable[0].pk


def refuse_both(form: forms.Form) -> None:
    """A form and a basis say two things of one paper."""
    if form.cleaned_data.get("form") and form.cleaned_data.get("basis"):
        form.add_error(
            "basis", _("Give the form that was signed, or the basis where none was: not both.")
        )


def basis_field() -> forms.CharField:
    return forms.CharField(
        label=_("Basis"),
        required=False,
        max_length=200,
        help_text=_("Only where no form of the list was signed: why the data may be used."),
    )


def scopes_field(*, required: bool = True) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label=_("What the participant agreed to"),
        choices=[(scope, _(WORDS[scope])) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        required=required,
    )


class ConsentCorrectionForm(PlainForm):
    """What is recorded of a consent, to be overwritten by what the paper says."""

    form = signed_form_field()
    signed_on = day_field(_("Signed on"))
    basis = basis_field()
    scopes = scopes_field(required=False)
    reason = correction_reason_field()
    version = forms.IntegerField(widget=forms.HiddenInput)

    def __init__(self, *args: Any, consent: Consent, **kwargs: Any) -> None:
        kwargs["initial"] = {
            "form": consent.form_id,
            "signed_on": consent.signed_on,
            "basis": consent.basis,
            "scopes": consent.scopes,
            "version": consent.version,
        }
        super().__init__(*args, **kwargs)
        self.consent = consent
        offer_forms_of(consent.participant.site, self.fields["form"])

    @property
    def changes(self) -> dict[str, Any]:
        """Of the valid form, what differs from the record."""
        said, now = self.cleaned_data, self.consent
        found: dict[str, Any] = {}
        if said["form"] != now.form:
            found["form_version"] = said["form"].version if said["form"] else ""
            found["form_language"] = said["form"].language if said["form"] else ""
        for name in ("signed_on", "basis"):
            if said[name] != getattr(now, name):
                found[name] = said[name]
        if set(said["scopes"]) != set(now.scopes):
            found["scopes"] = said["scopes"]
        return found


class ConsentForm(PlainForm):
    """A consent as signed, for somebody who is enrolled already."""

    participant = forms.CharField(
        label=_("Participant"), max_length=64, help_text=_("The study code, such as FUK-014.")
    )
    form = signed_form_field()
    basis = basis_field()
    signed_on = day_field(_("Signed on"))
    scopes = scopes_field()

    def __init__(self, *args: Any, site: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.site = site
        offer_forms_of(site, self.fields["form"])
        choose_the_only_one(site, self)

    def clean(self) -> dict[str, Any]:
        """One ground for the use of the data."""
        said: dict[str, Any] = super().clean() or self.cleaned_data
        refuse_both(self)
        return said

    def clean_signed_on(self) -> date:
        """Nobody has signed tomorrow, by the day at the site."""
        signed: date = self.cleaned_data["signed_on"]
        if signed > clock.today_at(self.site):
            raise forms.ValidationError(_("This day is still to come: check the date."))
        return signed


class WithdrawalForm(PlainForm):
    """A participant's wish to stop, as told to the nurse."""

    participant = forms.CharField(
        label=_("Participant"), max_length=64, help_text=_("The study code, such as FUK-014.")
    )
    level = forms.TypedChoiceField(
        label=_("What the participant no longer wants"),
        coerce=int,
        choices=[
            (Withdrawal.Level.NO_CONTACT, _("No contact; what is there may be used")),
            (Withdrawal.Level.NO_FURTHER_DATA, _("No further data; what is there may be used")),
            (Withdrawal.Level.NO_FURTHER_USE, _("No further use in any new analysis")),
            (Withdrawal.Level.ERASE, _("Erase what is there (a second person approves)")),
        ],
        widget=forms.RadioSelect(attrs={"class": "form-check-input"}),
    )
    destroy_samples = forms.BooleanField(
        label=_("Destroy the tubes too (no further use, as the participant asked)"),
        required=False,
        widget=forms.CheckboxInput(attrs={"class": "form-check-input"}),
    )
    note = forms.CharField(
        label=_("Note"),
        required=False,
        max_length=500,
        help_text=_("How you were told. No names, addresses or telephone numbers."),
    )
