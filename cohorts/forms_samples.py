"""Forms of the laboratory's pages and of data queries. They ask; the services decide."""

from __future__ import annotations

from django import forms

from cohorts.forms import PlainForm
from cohorts.models.query import SUBJECTS

SUBJECT_WORDS = {
    "participant": "Participant (its code)",
    "sample": "Sample (its code)",
    "upload": "Table that was sent (its id)",
    "batch": "Assay batch (its number)",
    "assessment": "Assessment (its number)",
}


class QueryTextForm(PlainForm):
    """An answer, a further question, or why a query is closed."""

    text = forms.CharField(
        label="Your words", max_length=1000, widget=forms.Textarea(attrs={"rows": 3})
    )


class NewQueryForm(PlainForm):
    """A question about one record."""

    about_kind = forms.ChoiceField(
        label="About", choices=[(name, SUBJECT_WORDS[name]) for name in SUBJECTS]
    )
    about = forms.CharField(label="Which one", max_length=64)
    text = forms.CharField(
        label="What do you want to know?",
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="No names or contact details. A laboratory reads questions about samples and "
        "batches: no sex, age, group or diagnosis there.",
    )
