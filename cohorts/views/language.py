"""Choosing the language of the pages: in the foot of each, and on the account's own."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponseBase
from django.views.decorators.http import require_POST
from django.views.i18n import set_language

from cohorts.models import User
from cohorts.services.accounts import languages


@require_POST
def choose(request: HttpRequest) -> HttpResponseBase:
    """Keep the choice in a cookie, and with the account of who is signed in."""
    answer = set_language(request)
    if isinstance(request.user, User):
        languages.keep(request.user, request.POST.get("language", ""))
    return answer
