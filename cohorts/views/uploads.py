"""The page of one sent table: what its check said, what it would do, and the two decisions."""

from __future__ import annotations

from collections.abc import Callable, Collection

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from cohorts import access
from cohorts.downloads import as_download
from cohorts.errors import BooksHaveMoved, DomainError, NotAllowed
from cohorts.forms.uploads import KIND_WORDS
from cohorts.models import Participant, Upload
from cohorts.overview import kinds_for
from cohorts.requests import user_of, zone_of
from cohorts.services.tables import mappings, remarked, two_steps

CELLS_SHOWN = 200


@login_required
@require_GET
def report(request: HttpRequest, upload_id: str) -> HttpResponse:
    """What the check said of one file."""
    return _page(request, _upload(request, upload_id))


@login_required
@require_POST
def accept(request: HttpRequest, upload_id: str) -> HttpResponse:
    """Accept a checked table; where it corrects the books, with the reason."""
    sent = _upload(request, upload_id)
    reason = request.POST.get("reason", "")
    try:
        two_steps.accept(sent.pk, by=user_of(request), reason=reason)
    except NotAllowed as refusal:
        if not two_steps.may_decide(sent, user_of(request)):
            raise PermissionDenied from refusal
        return _page(request, sent, refusal.message, reason)
    except BooksHaveMoved as moved:
        messages.warning(request, moved.message)
    except DomainError as refusal:
        return _page(request, sent, refusal.message, reason)
    return redirect("upload-report", sent.pk)


@login_required
@require_POST
def encoding(request: HttpRequest, upload_id: str) -> HttpResponse:
    """Say which encoding the file has, where more than one reads it."""
    sent = _upload(request, upload_id)
    chosen = request.POST.get("encoding", "")
    if refused := _refused(
        request, sent, lambda: two_steps.choose_encoding(sent.pk, chosen, by=user_of(request))
    ):
        return refused
    return redirect("upload-report", sent.pk)


@login_required
@require_POST
def mapping(request: HttpRequest, upload_id: str) -> HttpResponse:
    """Confirm what the site calls its columns; the table is checked again with it."""
    sent = _upload(request, upload_id)
    columns = {
        name.removeprefix("column-"): str(header)
        for name, header in request.POST.items()
        if name.startswith("column-")
    }
    columns |= {
        name.removeprefix("every-"): f"={value}"
        for name, value in request.POST.items()
        if name.startswith("every-") and value
    }
    if refused := _refused(
        request, sent, lambda: mappings.confirm(sent.pk, columns, by=user_of(request))
    ):
        return refused
    return redirect("upload-report", sent.pk)


@login_required
@require_POST
def discard(request: HttpRequest, upload_id: str) -> HttpResponse:
    """Put a checked table aside."""
    sent = _upload(request, upload_id)
    if refused := _refused(request, sent, lambda: two_steps.discard(sent.pk, by=user_of(request))):
        return refused
    messages.success(request, _("The table is discarded; nothing of it was stored."))
    return redirect("site", sent.site.code)


@login_required
@require_GET
def remarks(request: HttpRequest, upload_id: str) -> HttpResponse:
    """The table as it was sent, with a column of remarks."""
    sent = _upload(request, upload_id)
    try:
        made = remarked.file_of(sent, to=user_of(request), form=request.GET.get("as", "csv"))
    except NotAllowed as refusal:
        raise PermissionDenied from refusal
    except DomainError as refusal:
        return _page(request, sent, refusal.message)
    return as_download(made)


def _refused(request: HttpRequest, sent: Upload, verb: Callable[[], object]) -> HttpResponse | None:
    """The table's page with the refusal of that verb; None where it was carried out."""
    try:
        verb()
    except NotAllowed as refusal:
        raise PermissionDenied from refusal
    except DomainError as refusal:
        return _page(request, sent, refusal.message)
    return None


def _upload(request: HttpRequest, upload_id: str) -> Upload:
    """The upload, or the same 404 for one that is not there and one that is not to be read."""
    user = user_of(request)
    sent: Upload = get_object_or_404(
        Upload.objects.visible_to(user).select_related("site", "sent_by", "accepted_by"),
        pk=upload_id,
    )
    if sent.kind not in kinds_for(user, sent.site, "R"):
        raise Http404
    return sent


def _page(request: HttpRequest, sent: Upload, refusal: str = "", reason: str = "") -> HttpResponse:
    user = user_of(request)
    preview = sent.report.get("preview")
    may_decide = two_steps.may_decide(sent, user)
    context = {
        "upload": sent,
        "site": sent.site,
        "zone": zone_of(sent.site),
        "kind_words": KIND_WORDS[sent.kind],
        "may_send": sent.kind in kinds_for(user, sent.site, "CU"),
        "may_decide": may_decide,
        "proposal": mappings.proposal_of(sent) if may_decide else {},
        "unstated": _unstated(sent) if may_decide else [],
        "may_fetch": remarked.may_fetch(sent, user),
        "may_see_runs": access.may(user, "run", "R"),
        "report": sent.report,
        "preview": preview,
        "cells": preview["cells"][:CELLS_SHOWN] if preview else [],
        "refusal": refusal,
        "reason": reason,
    }
    status = 422 if refusal else 200
    return render(request, "cohorts/upload_report.html", context, status=status)


def _unstated(sent: Upload) -> list[tuple[str, Collection[str] | None]]:
    """What may be said of every row, with the words to choose from; None: a day."""
    choices = {"sex": Participant.Sex.values, "group": sent.site.study.groups}
    return [(name, choices.get(name)) for name in mappings.unstated(sent)]
