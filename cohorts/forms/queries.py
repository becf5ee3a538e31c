"""Forms of data queries. They ask; the services decide."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.models.query import SUBJECTS

SUBJECT_WORDS = {
    "participant": _("Participant (its code)"),
    "sample": _("Sample (its code)"),
    "upload": _("Table that was sent (its id)"),
    "batch": _("Assay batch (its number)"),
    "assessment": _("Assessment (its number)"),
    "shipment": _("Shipment (its number)"),
}


class QueryTextForm(PlainForm):
    """An answer, a further question, or why a query is closed."""

    text = forms.CharField(
        label=_("Your words"), max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )


class NewQueryForm(PlainForm):
    """A question about one record."""

    about_kind = forms.ChoiceField(
        label=_("About"), choices=[(name, SUBJECT_WORDS[name]) for name in SUBJECTS]
    )
    about = forms.CharField(label=_("Which one"), max_length=64)
    text = forms.CharField(
        label=_("What do you want to know?"),
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_(
            "No names or contact details. A laboratory reads questions about samples and "
            "batches: no sex, age, group or diagnosis there."
        ),
    )
