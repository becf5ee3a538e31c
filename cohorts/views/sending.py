"""The page where a site sends a table."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from cohorts.errors import DomainError, NoSuchSite
from cohorts.forms.uploads import KIND_WORDS, UploadForm
from cohorts.ingest.child import client as child
from cohorts.ingest.columns import ASSAYS_LONG, SPECS
from cohorts.models import AssayBatch, Site, Upload, User
from cohorts.overview import kinds_for
from cohorts.services.tables import sent_tables, two_steps
from cohorts.views.base import admitted


@login_required
def upload(request: HttpRequest, code: str) -> HttpResponse:
    """Send a table to be checked; its report is where it is accepted."""
    here, user = admitted(request, code, "upload", "C")
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
    allowed = sent_tables.site_for(user, code, form.cleaned_data["kind"], verbs="CU")
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
