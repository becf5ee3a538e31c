"""Pages of a laboratory: tubes and their labels, shipments."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import segno
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import SafeString, mark_safe
from django.utils.translation import gettext as _

from cohorts import access
from cohorts.forms import samples as forms_samples
from cohorts.labels import MisreadCode, label_text, read_label
from cohorts.language.told import told
from cohorts.models import Box, Sample, Shipment, Site, User
from cohorts.pages import KeyedPaginator
from cohorts.requests import user_of, zone_of
from cohorts.services.samples import boxes, custody, handling, shipping
from cohorts.views.base import PAGE, admitted, carried_out

MOST_LABELS = 200
MOST_BOXES = 100


# --- tubes and labels


@login_required
def samples(request: HttpRequest, code: str) -> HttpResponse:
    """The site's tubes; a scanned label or a typed code leads to its tube."""
    here, user = admitted(request, code, "sample", "R")
    rows = Sample.objects.visible_to(user).filter(site=here)
    asked = request.GET.get("q", "").strip()
    fault = ""
    if asked:
        try:
            site_code, sample_code = read_label(asked) if "/" in asked else (here.code, asked)
        except MisreadCode as error:
            fault = told(error.args[0])
        else:
            known = Sample.objects.at_hand(user).filter(site__code=site_code)
            if found := known.filter(code=sample_code).first():
                return redirect("sample", found.pk)
            fault = _("There is no sample %(sample_code)s that you can see.") % {
                "sample_code": repr(sample_code)
            }
    context = {
        "site": here,
        "zone": zone_of(here),
        "page": KeyedPaginator(rows.select_related("participant", "box"), PAGE).get_page(
            request.GET.get("page")
        ),
        "asked": asked,
        "fault": fault,
        "may_handle": access.may(user, "sample", "U", here.pk),
        "may_add": access.may(user, "sample", "C", here.pk),
        "boxes": Box.objects.visible_to(user).filter(site=here)[:MOST_BOXES],
        "received": Sample.objects.received_by(here, user).select_related("site", "box")[
            :MOST_LABELS
        ],
    }
    return render(request, "cohorts/samples.html", context, status=422 if fault else 200)


@login_required
def sample(request: HttpRequest, sample_id: int) -> HttpResponse:
    """One tube: how it was handled, where it lies, what was done with it, what can be done."""
    user = user_of(request)
    rows = Sample.objects.at_hand(user).select_related(
        "site", "participant", "parent", "box", "held_at"
    )
    tube = get_object_or_404(rows, pk=sample_id)
    known = tube.known_to(user)
    verbs = _verbs(tube, user)
    here = tube.site if known else tube.lies_at
    form = forms_samples.TubeForm(request.POST or None, verbs=verbs)
    if request.method == "POST":
        if not verbs:
            raise PermissionDenied
        if form.is_valid() and carried_out(
            request, form, lambda: _done(tube, form.cleaned_data, user)
        ):
            return redirect("sample", tube.pk)
    context = {
        "sample": tube,
        "site": here,
        "zone": zone_of(here),
        "known": known,
        "sees_box": access.may(user, "sample", "R", tube.lies_at.pk),
        "handling": handling.handling_of(tube),
        "sees_ratio": access.may(user, "assay", "R", tube.site_id),
        "steps": tube.custody.select_related("by"),
        "label": label_of(tube),
        # Of one that is blocked or gone every step would be refused.
        "form": form if verbs and (form.errors or tube.status == Sample.Status.STORED) else None,
    }
    return render(request, "cohorts/sample.html", context, status=422 if form.errors else 200)


def _verbs(tube: Sample, user: User) -> list[str]:
    """What this person may do with it: most of it where it lies, the record at its own site."""
    at_the_bench = [name for name in ("thaw", "move", "measure") if tube.handled_by(user, "U")]
    divided = ["divide"] if tube.handled_by(user, "C") else []
    recorded = ["process"] if access.may(user, "sample", "U", tube.site_id) else []
    return [*divided, *at_the_bench, *recorded]


def _done(tube: Sample, said: dict[str, Any], user: User) -> str:
    if said["verb"] == "divide":
        child = custody.divide(
            tube.pk,
            code=said["code"],
            volume_ul=said["volume_ul"],
            material=said["material"],
            yields_ul=said["yields_ul"],
            by=user,
        )
        return _("%(child)s holds %(volume_ul)s µL of %(tube)s.") % {
            "child": child.code,
            "volume_ul": child.volume_ul,
            "tube": tube.code,
        }
    if said["verb"] == "measure":
        custody.measure(tube.pk, volume_ul=said["volume_ul"], reason=said["reason"], by=user)
        return _("%(tube)s holds %(volume_ul)s µL.") % {
            "tube": tube.code,
            "volume_ul": said["volume_ul"],
        }
    if said["verb"] == "process":
        custody.process(tube.pk, said, reason=said["reason"], by=user)
        return _("It is on record how %(tube)s was spun and is stored.") % {"tube": tube.code}
    if said["verb"] == "thaw":
        custody.thaw(tube.pk, by=user)
        return _("%(tube)s was thawed.") % {"tube": tube.code}
    row, column = said["row"], said["column"]
    boxes.move(tube.pk, box_code=said["box"], row=row, column=column, by=user)
    return _("%(tube)s is in %(box)s %(row)s/%(column)s.") % {
        "tube": tube.code,
        "box": said["box"],
        "row": row,
        "column": column,
    }


@login_required
def labels(request: HttpRequest, code: str) -> HttpResponse:
    """A sheet of labels to print: those named in ``?sample=``, else the newest tubes."""
    here, user = admitted(request, code, "sample", "R")
    rows = Sample.objects.at_hand(user).filter(Q(site=here) | Q(held_at=here))
    rows = rows.select_related("site")
    if chosen := request.GET.getlist("sample"):
        rows = rows.filter(code__in=chosen[:MOST_LABELS])
    tubes = list(rows.order_by("-pk")[:MOST_LABELS])
    context = {"site": here, "labels": [label_of(tube) for tube in reversed(tubes)]}
    return render(request, "cohorts/labels.html", context)


def label_of(tube: Sample) -> dict[str, Any]:
    """What is printed: the code as QR and as text with its check character, and the material."""
    try:
        text = label_text(tube.site.code, tube.code)
    except MisreadCode as error:
        return {"code": tube.code, "fault": told(error.args[0])}
    return {"code": tube.code, "text": text, "material": tube.material, "svg": qr_svg(text)}


@lru_cache(maxsize=4 * MOST_LABELS)
def qr_svg(text: str) -> SafeString:
    """A QR code that is still read with a quarter of it torn off; drawn once for several prints."""
    drawn = segno.make(text, micro=False, error="q")
    return mark_safe(drawn.svg_inline(scale=2, border=2))  # noqa: S308 - segno's own drawing


# --- shipments


@login_required
def shipments(request: HttpRequest, code: str) -> HttpResponse:
    """Shipments from and to the site; sending one."""
    here, user = admitted(request, code, "shipment", "R")
    may_send = access.may(user, "shipment", "C", here.pk)
    filled = {"samples": request.GET.get("samples", "")}
    form = forms_samples.ShipmentForm(
        request.POST or None, site=here, zone=zone_of(here), initial=filled
    )
    if request.method == "POST":
        if not may_send:
            raise PermissionDenied
        if form.is_valid() and carried_out(request, form, lambda: _sent(here, form, user)):
            return redirect("shipments", here.code)
    rows = Shipment.objects.visible_to(user).select_related("from_site", "to_site", "receipt")
    rows = rows.filter(from_site=here) | rows.filter(to_site=here)
    context = {
        "site": here,
        "zone": zone_of(here),
        "page": Paginator(rows, PAGE).get_page(request.GET.get("page")),
        "form": form if may_send else None,
    }
    return render(request, "cohorts/shipments.html", context, status=422 if form.errors else 200)


def _sent(here: Site, form: forms_samples.ShipmentForm, user: User) -> str:
    said = form.cleaned_data
    made = shipping.send(
        here,
        said["to_site"],
        said["samples"],
        courier=said["courier"],
        reference=said["reference"],
        most_celsius=said["most_celsius"],
        sent_at=said["sent_at"],
        by=user,
    )
    return _("Recorded: %(made)s to %(code)s; tubes: %(n_samples)s.") % {
        "made": made,
        "code": said["to_site"].code,
        "n_samples": len(said["samples"]),
    }


@login_required
def shipment(request: HttpRequest, shipment_id: int) -> HttpResponse:
    """The manifest, the courier's temperatures, and the receipt of the other site."""
    user = user_of(request)
    rows = Shipment.objects.visible_to(user).select_related("from_site", "to_site", "receipt")
    found = get_object_or_404(rows, pk=shipment_id)
    arrived = getattr(found, "receipt", None)
    may_receive = access.may(user, "shipment", "C", found.to_site_id)
    kind = forms_samples.LateArrivalForm if arrived else forms_samples.ReceiptForm
    act = _completed if arrived else _received
    filled = {"tubes": request.GET.get("tubes", "")}
    sent_here = access.may(user, "shipment", "R", found.from_site_id) and not may_receive
    here = found.from_site if sent_here else found.to_site
    form = kind(request.POST or None, zone=zone_of(here), initial=filled)
    if request.method == "POST":
        if not may_receive:
            raise PermissionDenied
        if form.is_valid() and carried_out(request, form, lambda: act(found, form, user)):
            return redirect("shipment", found.pk)
    context = {
        "shipment": found,
        "site": here,
        "receipt": arrived,
        "tubes": found.tubes.select_related("sample"),
        "seen": {tube.pk for tube in Sample.objects.at_hand(user).filter(shipped__shipment=found)},
        "temperatures": found.temperatures.all(),
        "zone": zone_of(here),
        "form": form if may_receive else None,
    }
    return render(request, "cohorts/shipment.html", context, status=422 if form.errors else 200)


def _received(found: Shipment, form: forms_samples.ReceiptForm, user: User) -> str:
    said = form.cleaned_data
    shipping.receive(
        found.pk,
        said["tubes"],
        received_at=said["received_at"],
        temperatures=said["temperatures"],
        note=said["note"],
        by=user,
    )
    return _("Recorded: %(found)s is received; what differs is asked at %(from_site)s.") % {
        "found": found,
        "from_site": found.from_site.code,
    }


def _completed(found: Shipment, form: forms_samples.ReceiptForm, user: User) -> str:
    said = form.cleaned_data
    shipping.complete(
        found.pk,
        said["tubes"],
        arrived_at=said["received_at"],
        temperatures=said["temperatures"],
        note=said["note"],
        by=user,
    )
    return _("Recorded; what this answers is no longer asked.")
