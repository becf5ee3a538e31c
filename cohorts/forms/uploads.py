"""The form with which a table is sent."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.models import Site, User
from cohorts.overview import kinds_for
from cohorts.services.tables import sent_tables
from cohorts.services.tables.sent_tables import SentTable

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


class UploadForm(PlainForm):
    """One table. The options of an assay table count for that kind only."""

    kind = forms.ChoiceField(label=_("What is in the table"))
    file = forms.FileField(
        label=_("File"),
        help_text=_("CSV, TSV, Excel (.xlsx) or ODS; the first row holds the column names."),
        error_messages={
            "required": _("Choose a file."),
            "empty": _("This file is empty: check it."),
        },
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
        choices=[(s, SCALE_WORDS[s]) for s in sent_tables.SCALES],
        required=False,
    )
    zero_means = forms.ChoiceField(
        label=_("A zero means"),
        choices=[(z, ZERO_WORDS[z]) for z in sent_tables.ZERO_MEANS],
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
    def sent(self) -> SentTable:
        """The valid form as the service takes it."""
        data = self.cleaned_data
        options = {}
        if data["kind"] == "assays":
            options = {name: data[name].strip() for name in sent_tables.ASSAY_OPTIONS if data[name]}
        dictionary = b""
        if data["kind"] == "redcap" and data["dictionary"]:
            dictionary = data["dictionary"].read()
        return SentTable(data["kind"], data["file"].read(), data["file"].name, options, dictionary)
