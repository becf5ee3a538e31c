"""The forms on which a version of a site's consent form is registered. They ask."""

from __future__ import annotations

import hashlib
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from cohorts.forms.base import PlainForm
from cohorts.forms.consent import scopes_field
from cohorts.forms.people import correction_reason_field, day_field
from cohorts.models import ConsentForm
from cohorts.services.consent_forms import Version


class VersionForm(PlainForm):
    """What the document says; the document itself is not kept, its SHA-256 is."""

    version = forms.CharField(label=_("Version"), max_length=40)
    language = forms.CharField(
        label=_("Language"), max_length=16, required=False, help_text=_("Such as ja or en.")
    )
    valid_from = day_field(_("First day"), required=False)
    valid_until = day_field(
        _("Last day"),
        required=False,
        help_text=_("After it the data signed for on it are in no analysis."),
    )
    document = forms.FileField(
        label=_("Document"),
        required=False,
        help_text=_("The file that people sign, as approved. Its SHA-256 is kept, not the file."),
        error_messages={"required": _("Choose the document that people sign.")},
    )
    scopes = scopes_field()

    def __init__(self, *args: Any, known: ConsentForm | None = None, **kwargs: Any) -> None:
        if known:
            kwargs["initial"] = {
                "version": known.version,
                "language": known.language,
                "valid_from": known.valid_from,
                "valid_until": known.valid_until,
                "scopes": known.offered_scopes,
            }
        super().__init__(*args, **kwargs)
        self.fields["scopes"].label = _("What the form asks for")
        self.fields["document"].required = known is None
        if known:
            del self.fields["version"], self.fields["language"]

    @property
    def said(self) -> Version:
        """Of the valid form."""
        told = self.cleaned_data
        document = told.get("document")
        digest = hashlib.sha256()
        for part in document.chunks() if document else ():
            digest.update(part)
        return Version(
            version=told.get("version", ""),
            language=told.get("language", ""),
            valid_from=told["valid_from"],
            valid_until=told["valid_until"],
            offered_scopes=told["scopes"],
            document_sha256=digest.hexdigest() if document else "",
        )


class VersionCorrectionForm(VersionForm):
    """The same, with the reason."""

    reason = correction_reason_field()
