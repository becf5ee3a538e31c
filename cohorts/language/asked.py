"""The language that a program asks for: the API's texts are English, what went wrong is not."""

from __future__ import annotations

from collections.abc import Mapping

from django.utils.translation import trans_real


def asked_language(headers: Mapping[str, str]) -> str:
    """The best that Accept-Language asks for and the platform speaks; English where none is."""
    for code, _ in trans_real.parse_accept_lang_header(headers.get("Accept-Language", "")):
        try:
            return trans_real.get_supported_language_variant(code)
        except LookupError:
            continue
    return "en"
