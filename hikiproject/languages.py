"""Which language a request is answered in."""

from __future__ import annotations

from django.http import HttpRequest
from django.middleware.locale import LocaleMiddleware
from django.utils import translation

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
