"""Which language a request is answered in."""

from __future__ import annotations

from collections.abc import Mapping

from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation
from django.utils.translation import trans_real

ENGLISH_ONLY = "/api/"


class LanguageMiddleware(LocaleMiddleware):
    """The language chosen in the foot, else the browser's; the API is in English.

    Programs compare its texts, and its ETags do not know of languages. What went wrong, which has
    no ETag, is told in the language of Accept-Language (`hikiproject.exception_handler`).
    """

    def process_request(self, request: HttpRequest) -> None:
        """Choose before anything is said."""
        if request.path_info.startswith(ENGLISH_ONLY):
            translation.activate("en")
            request.LANGUAGE_CODE = "en"
            return
        super().process_request(request)


def asked_language(headers: Mapping[str, str]) -> str:
    """The best that Accept-Language asks for and the platform speaks; English where none is."""
    for code, _ in trans_real.parse_accept_lang_header(headers.get("Accept-Language", "")):
        try:
            return trans_real.get_supported_language_variant(code)
        except LookupError:
            continue
    return "en"
