"""Pages of people, sites and uploads: each asks what the person may see, and shows it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from cohorts import access
from cohorts.errors import DomainError, NoSuchSite
from cohorts.forms import KIND_WORDS, TokenForm, UploadForm
from cohorts.ingest.child import client as child
from cohorts.ingest.columns import ASSAYS_LONG, SPECS
from cohorts.models import ApiToken, AssayBatch, Site, Upload, User
from cohorts.overview import kinds_for
from cohorts.services import two_steps, uploads

PAGE = 25


def user_of(request: HttpRequest) -> User:
    """The user who is logged in; the pages are all behind `login_required`."""
    assert isinstance(request.user, User)  # noqa: S101 - see above
    return request.user


def site_of(request: HttpRequest, code: str) -> Site:
    """The site, or the same 404 for one that does not exist and one that is somebody else's."""
    found: Site = get_object_or_404(
        Site.objects.visible_to(request.user).select_related("study"), code=code
    )
    return found


def zone_of(site: Site) -> ZoneInfo:
    """Where the site's clocks are; UTC for a zone that nobody knows."""
    try:
        return ZoneInfo(site.time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


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


@login_required
def upload(request: HttpRequest, code: str) -> HttpResponse:
    """Send a table to be checked; its report is where it is accepted."""
    here, user = site_of(request, code), user_of(request)
    if not access.may(user, "upload", "C", here.pk):
        raise PermissionDenied
    child.warm()  # the file that is chosen now is checked without waiting for a start
    form = UploadForm(request.POST or None, request.FILES or None, site=here, user=user)
    context: dict[str, Any] = {"site": here, "form": form, "help": _column_help(user, here)}
    if request.method == "POST" and form.is_valid():
        try:
            return _send(request, user, code, form)
        except NoSuchSite as error:
            raise Http404 from error
        except DomainError as error:
            form.add_error(None, error.message)
    batches = AssayBatch.objects.visible_to(user).filter(site=here)
    for name in ("platform", "matrix"):
        context[f"known_{name}"] = batches.values_list(name, flat=True).distinct().order_by(name)
    status = 422 if form.errors else 200
    return render(request, "cohorts/upload.html", context, status=status)


def _send(request: HttpRequest, user: User, code: str, form: UploadForm) -> HttpResponse:
    allowed = uploads.site_for(user, code, form.cleaned_data["kind"], verbs="CU")
    sent = two_steps.check(allowed, form.sent, by=user)
    if sent.status == Upload.Status.ACCEPTED:
        messages.info(request, _("This file was sent before and is in the books; nothing changed."))
    return redirect("upload-report", sent.pk)


def _column_help(user: User, here: Site) -> list[dict[str, Any]]:
    """What each kind of table holds, for the kinds that this user may send."""
    specs = {
        **SPECS,
        "assays (one row a value)": ASSAYS_LONG,
    }
    allowed = kinds_for(user, here, "CU")
    return [
        {
            "title": _("Laboratory values, one row a value")
            if spec is ASSAYS_LONG
            else KIND_WORDS[spec.kind],
            "kind": spec.kind,
            "required": spec.required,
            "optional": spec.optional,
            "items": spec.items,
            "wide": spec.kind == "assays" and spec is not ASSAYS_LONG,
        }
        for spec in specs.values()
        if spec.kind in allowed
    ]


# --- the person's own account


@never_cache
@login_required
def tokens(request: HttpRequest) -> HttpResponse:
    """API tokens of the person: issue one (its key is shown once), see the others."""
    user = user_of(request)
    form, key = TokenForm(request.POST or None, user=user), ""
    if request.method == "POST" and form.is_valid():
        # Shown in the answer itself: a redirect would have to keep the key somewhere.
        asked = dict(form.cleaned_data)
        life = timedelta(days=asked.pop("days"))
        _, key = ApiToken.objects.issue(user, life=life, **asked)
        form = TokenForm(user=user)
    context = {
        "form": form,
        "key": key,
        "tokens": ApiToken.objects.visible_to(user).prefetch_related("sites"),
        "now": timezone.now(),
    }
    return render(request, "cohorts/tokens.html", context, status=422 if form.errors else 200)


@login_required
@require_POST
def revoke_token(request: HttpRequest, token_id: int) -> HttpResponse:
    """End a token at once; it stays in the list, crossed out."""
    token = get_object_or_404(ApiToken.objects.visible_to(user_of(request)), pk=token_id)
    if token.revoked_at is None:
        token.revoked_at = timezone.now()
        token.save(update_fields=["revoked_at"])
    messages.success(request, _("The token “%(token)s” no longer works.") % {"token": token.name})
    return redirect("tokens")
