"""The form on which a consent that was recorded wrongly is put right."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts import models
from cohorts.forms import PlainForm
from cohorts.forms_people import correction_reason_field, day_field
from cohorts.models import Consent
from cohorts.models.consent import SCOPES
from cohorts.vocabulary import WORDS


class ConsentCorrectionForm(PlainForm):
    """What is recorded of a consent, to be overwritten by what the paper says."""

    form = forms.ModelChoiceField(
        models.ConsentForm.objects.none(),
        label=_("Signed form"),
        required=False,
        empty_label=_("not listed: say on what basis below"),
    )
    signed_on = day_field(_("Signed on"))
    basis = forms.CharField(
        label=_("Basis"),
        required=False,
        max_length=200,
        help_text=_("Only where no form of the list was signed: why the data may be used."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("What the participant agreed to"),
        choices=[(scope, _(WORDS[scope])) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        required=False,
    )
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
        offered = self.fields["form"]
        assert isinstance(offered, forms.ModelChoiceField)  # noqa: S101 - declared above
        site = consent.participant.site_id
        offered.queryset = models.ConsentForm.objects.filter(site=site).select_related("site")

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
