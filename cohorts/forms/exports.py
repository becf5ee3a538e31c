"""The form of an export. It asks; the service decides."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.language.vocabulary import WORDS
from cohorts.models import AssayBatch, Site
from cohorts.services.exporting.export_requests import Wish
from cohorts.services.exporting.record_exports import FORMATS


class ExportForm(PlainForm):
    """Which records, for whom, and why."""

    format = forms.ChoiceField(
        label=_("Format"), choices=[(name, _(WORDS[name])) for name in FORMATS]
    )
    batches = forms.MultipleChoiceField(
        label=_("Assay batches"),
        required=False,
        help_text=_("For mwTab, mzTab-M and ISA-Tab; none chosen means all."),
    )
    recipient = forms.CharField(label=_("Who gets the file"), max_length=200)
    recipient_country = forms.RegexField(
        "^[A-Za-z]{2}$",
        label=_("Country of the recipient"),
        error_messages={"invalid": _("Two letters, such as JP.")},
        help_text=_("Two letters. Abroad, only people who consented to sharing abroad are in it."),
    )
    commercial = forms.BooleanField(label=_("For a commercial use"), required=False)
    reason = forms.CharField(label=_("Why the records are exported"), max_length=300)

    def __init__(self, *args: Any, site: Site, **kwargs: Any) -> None:
        kwargs.setdefault("initial", {"recipient_country": site.country})
        super().__init__(*args, **kwargs)
        field = self.fields["batches"]
        assert isinstance(field, forms.MultipleChoiceField)  # noqa: S101 - declared above
        accepted = AssayBatch.objects.filter(site=site).accepted()
        field.choices = [
            (str(each.pk), f"{each.pk}: {each.platform} {each.label}".strip())
            for each in accepted[:500]
        ]

    @property
    def wish(self) -> Wish:
        said = self.cleaned_data
        return Wish(
            format=said["format"],
            recipient=said["recipient"],
            recipient_country=said["recipient_country"].upper(),
            reason=said["reason"],
            batches=tuple(int(key) for key in said["batches"]),
            commercial=said["commercial"],
        )
