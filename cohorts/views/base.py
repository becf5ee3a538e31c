"""Pages of people, sites and uploads: each asks what the person may see, and shows it."""

from __future__ import annotations

from collections.abc import Callable

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpRequest

from cohorts import access
from cohorts.errors import DomainError
from cohorts.models import Site, User
from cohorts.requests import site_of, user_of

PAGE = 25


def admitted(request: HttpRequest, code: str, resource: str, verb: str) -> tuple[Site, User]:
    """The site and who asks, if they may do that there. Raises PermissionDenied, Http404."""
    here, user = site_of(request, code), user_of(request)
    if not access.may(user, resource, verb, here.pk):
        raise PermissionDenied
    return here, user


def carried_out(request: HttpRequest, form: forms.BaseForm, verb: Callable[[], str]) -> bool:
    """Carry out; what was done as a message, or why not beside the form."""
    try:
        words = verb()
    except DomainError as error:
        form.add_error(None, error.message)
    except ValidationError as error:
        form.add_error(None, error.messages)
    else:
        messages.success(request, words)
        return True
    return False


# --- the person's own account
