"""Forms of the portal. They ask; the services decide."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from cohorts import models
from cohorts.models import ApiToken, Site, User, Withdrawal
from cohorts.models.account import SCOPE_WORDS, TOKEN_LIFE
from cohorts.models.consent import SCOPES
from cohorts.overview import kinds_for
from cohorts.services import uploads
from cohorts.vocabulary import WORDS

KIND_WORDS = {
    "participants": _("Participants and their consent"),
    "redcap": _("REDCap project (data export)"),
    "samples": _("Samples"),
    "assessments": _("Questionnaires and interviews"),
    "assays": _("Laboratory values (assays)"),
}
SCALE_WORDS = {
    "raw": _("as measured"),
    "log2": _("log, base 2"),
    "ln": _("natural log"),
    "log10": _("log, base 10"),
    "standardised": _("standardised (z scores)"),
}
ZERO_WORDS = {
    "zero": _("really zero"),
    "below_lod": _("below the detection limit"),
    "missing": _("not measured"),
}


class PlainForm(forms.Form):
    """Fields in the look of the portal, with their faults tied to them for screen readers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["label_suffix"] = ""
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs.setdefault("class", _look(field.widget))


def _look(widget: forms.Widget) -> str:
    """Bootstrap's class for a kind of field."""
    if isinstance(widget, forms.CheckboxInput):
        return "form-check-input"
    return "form-select" if isinstance(widget, forms.Select) else "form-control"


class UploadForm(PlainForm):
    """One table. The options of an assay table count for that kind only."""

    kind = forms.ChoiceField(label=_("What is in the table"))
    file = forms.FileField(
        label=_("File"),
        help_text=_("CSV, TSV, Excel (.xlsx) or ODS; the first row holds the column names."),
        error_messages={"required": "Choose a file.", "empty": _("This file is empty: check it.")},
    )
    dictionary = forms.FileField(
        label=_("Data dictionary of the project"),
        required=False,
        help_text=_(
            "CSV, as REDCap exports it. What it marks as an identifier, free text and files are "
            "left out of the data before anything is stored."
        ),
        error_messages={"empty": _("This file is empty: check it.")},
    )
    platform = forms.CharField(
        label=_("Platform"),
        required=False,
        max_length=80,
        help_text=_("What it was measured with, such as LC-MS panel."),
    )
    matrix = forms.CharField(
        label=_("Material"), required=False, max_length=40, help_text=_("plasma, serum, ...")
    )
    unit = forms.CharField(
        label=_("Unit"),
        required=False,
        max_length=20,
        help_text=_("If the column names do not say it, such as umol/L; relative for peak areas."),
    )
    scale = forms.ChoiceField(
        label=_("The values are"),
        choices=[(s, SCALE_WORDS[s]) for s in uploads.SCALES],
        required=False,
    )
    zero_means = forms.ChoiceField(
        label=_("A zero means"),
        choices=[(z, ZERO_WORDS[z]) for z in uploads.ZERO_MEANS],
        required=False,
    )

    def __init__(self, *args: Any, site: Site, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kind = self.fields["kind"]
        assert isinstance(kind, forms.ChoiceField)  # noqa: S101 - declared above
        kind.choices = [(name, KIND_WORDS[name]) for name in kinds_for(user, site, "CU")]
        for name in ("platform", "matrix"):
            self.fields[name].widget.attrs["list"] = f"known-{name}"

    @property
    def sent(self) -> uploads.SentTable:
        """The valid form as the service takes it."""
        data = self.cleaned_data
        options = {}
        if data["kind"] == "assays":
            options = {name: data[name].strip() for name in uploads.ASSAY_OPTIONS if data[name]}
        dictionary = b""
        if data["kind"] == "redcap" and data["dictionary"]:
            dictionary = data["dictionary"].read()
        return uploads.SentTable(
            data["kind"], data["file"].read(), data["file"].name, options, dictionary
        )


class TokenForm(PlainForm):
    """A new API token: its purpose, what it may do, where, and for how long."""

    name = forms.CharField(
        label=_("What it is for"),
        max_length=ApiToken._meta.get_field("name").max_length,
        help_text=_("Such as: notebook on my laptop."),
    )
    scopes = forms.MultipleChoiceField(
        label=_("It may"),
        choices=list(SCOPE_WORDS.items()),
        initial=["read"],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        help_text=_("Never more than you may yourself."),
    )
    sites = forms.ModelMultipleChoiceField(
        Site.objects.none(),
        required=False,
        label=_("Only at these sites"),
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        help_text=_("At all of yours where none is chosen."),
    )
    days = forms.IntegerField(
        label=_("Works for, in days"), min_value=1, max_value=TOKEN_LIFE.days, initial=90
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["sites"].queryset = Site.objects.visible_to(user)  # type: ignore[attr-defined]  # of the field


class ConsentForm(PlainForm):
    """A consent as signed, for somebody who is enrolled already."""

    participant = forms.CharField(
        label=_("Participant"), max_length=64, help_text=_("The study code, such as FUK-014.")
    )
    form = forms.ModelChoiceField(
        models.ConsentForm.objects.none(),
        label=_("Signed form"),
        required=False,
        empty_label=_("not listed: say on what basis below"),
    )
    basis = forms.CharField(
        label=_("Basis"),
        required=False,
        max_length=200,
        help_text=_("Only where no form of the list was signed: why the data may be used."),
    )
    signed_on = forms.DateField(
        label=_("Signed on"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"invalid": _("Not a date; write YYYY-MM-DD.")},
    )
    scopes = forms.MultipleChoiceField(
        label=_("What the participant agreed to"),
        choices=[(scope, _(WORDS[scope])) for scope in SCOPES],
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
    )

    def __init__(self, *args: Any, site: Site, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["form"]
        assert isinstance(field, forms.ModelChoiceField)  # noqa: S101 - declared above
        field.queryset = models.ConsentForm.objects.filter(site=site)

    def clean_signed_on(self) -> date:
        """Nobody has signed tomorrow."""
        signed: date = self.cleaned_data["signed_on"]
        if signed > timezone.localdate() + timedelta(days=1):
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
