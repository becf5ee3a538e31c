"""The way through a site's pages: what this person may open there, and what comes next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import template
from django.urls import reverse
from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from cohorts import access
from cohorts.models import Erasure, Site, User

register = template.Library()

# Name of the page, resource that is read there, words, beginnings of further pages of its kind.
PLACES: tuple[tuple[str, str, str, tuple[str, ...]], ...] = (
    ("people", "participant", _("Participants"), ("/participants/", "/consents/")),
    ("renewals", "consent", _("Consents to renew"), ()),
    ("samples", "sample", _("Samples"), ("/samples/", "/boxes/")),
    ("shipments", "shipment", _("Shipments"), ("/shipments/",)),
    ("batches", "quality_report", _("Assay batches"), ("/batches/",)),
    ("queries", "query", _("Data queries"), ("/queries/",)),
    ("exports", "record_export", _("Exports of records"), ()),
)
WITHIN_SAMPLES = ("scan", "labels", "destructions", "box-new")
WITHIN_PEOPLE = ("enrol", "consent", "withdrawal")


@dataclass(frozen=True)
class Place:
    """A link of the site's navigation."""

    address: str
    words: str
    current: bool


@register.inclusion_tag("cohorts/_site_nav.html", takes_context=True)
def site_nav(context: dict[str, Any], site: Site) -> dict[str, Any]:
    """The site's pages that this person may open; the one that is open is marked."""
    user, path = context["user"], context["request"].path
    return {"places": places_at(site, user, path)}


def places_at(site: Site, user: User, path: str) -> list[Place]:
    overview = reverse("site", args=[site.code])
    found = [Place(overview, gettext("Overview"), path in (overview, reverse("home")))]
    for name, resource, words, further in PLACES:
        if access.may(user, resource, "R", site.pk):
            address = reverse(name, args=[site.code])
            inside = (address, *further, *(reverse(n, args=[site.code]) for n in _within(name)))
            found.append(Place(address, gettext(words), path.startswith(inside)))
    if access.may(user, "participant", "R", site.pk):
        address = reverse("dictionary", args=[site.study.code])
        found.append(Place(address, gettext("Variables"), path.startswith(address)))
    open_erasures = Erasure.objects.visible_to(user).filter(site=site).open().count()
    if open_erasures:
        address = reverse("erasures", args=[site.code])
        words = gettext("Erasures (%(n_erasures)s)") % {"n_erasures": open_erasures}
        found.append(Place(address, words, path.startswith(address)))
    return found if len(found) > 1 else []


def _within(name: str) -> tuple[str, ...]:
    return {"samples": WITHIN_SAMPLES, "people": WITHIN_PEOPLE}.get(name, ())


@register.inclusion_tag("cohorts/_site_acts.html", takes_context=True)
def site_acts(context: dict[str, Any], site: Site) -> dict[str, Any]:
    """What this person can do next at the site."""
    user = context["user"]
    return {
        "site": site,
        "may_enrol": access.may(user, "participant", "C", site.pk),
        "may_record_consent": access.may(user, "consent", "C", site.pk),
        "may_withdraw": access.may(user, "withdrawal", "C", site.pk),
        "may_handle": access.may(user, "sample", "U", site.pk),
        "may_send": context.get("may_send"),
    }
