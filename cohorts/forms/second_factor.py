"""The own second factor, where allauth's form lacks words."""

from __future__ import annotations

from typing import Any

from allauth.mfa.webauthn.forms import AddWebAuthnForm
from django.utils.translation import gettext_lazy as _


class KeyForm(AddWebAuthnForm):  # type: ignore[misc]  # allauth has no types
    """A key and the name that its owner knows it by."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = _("Name of the key")
        self.fields["name"].help_text = _("Such as: office computer.")
