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


@dataclass(frozen=True)
class Kind:
    """Pages of a site that are one place of its navigation."""

    page: str  # the name of the one that the link opens
    resource: str  # what is read there
    words: str
    elsewhere: tuple[str, ...] = ()  # beginnings of the addresses of its records
    within: tuple[str, ...] = ()  # names of the site's further pages


KINDS = (
    Kind(
        "people",
        "participant",
        _("Participants"),
        ("/participants/", "/consents/"),
        ("enrol", "consent", "withdrawal"),
    ),
    Kind(
        "renewals",
        "consent",
        _("Consents to renew"),
        ("/consent-forms/",),
        ("consent-forms",),
    ),
    Kind(
        "samples",
        "sample",
        _("Samples"),
        ("/samples/", "/boxes/"),
        ("scan", "labels", "destructions", "box-new"),
    ),
    Kind("shipments", "shipment", _("Shipments"), ("/shipments/",)),
    Kind("batches", "quality_report", _("Assay batches"), ("/batches/",)),
    Kind("queries", "query", _("Data queries"), ("/queries/",)),
    Kind("exports", "record_export", _("Exports")),
    Kind("audit-trail", "own_actions", _("Audit trail")),
)


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
    for kind in KINDS:
        if access.may(user, kind.resource, "R", site.pk):
            address, *within = (reverse(n, args=[site.code]) for n in (kind.page, *kind.within))
            inside = path.startswith((address, *kind.elsewhere, *within))
            found.append(Place(address, gettext(kind.words), inside))
    if access.may(user, "participant", "R", site.pk):
        address = reverse("dictionary", args=[site.study.code])
        found.append(Place(address, gettext("Variables"), path.startswith(address)))
    erasures = Erasure.objects.visible_to(user).filter(site=site)
    if erasures.exists():  # what was carried out has its receipt there
        address = reverse("erasures", args=[site.code])
        words = gettext("Erasures")
        if open_erasures := erasures.open().count():
            words = gettext("Erasures (%(n_erasures)s)") % {"n_erasures": open_erasures}
        found.append(Place(address, words, path.startswith(address)))
    return found if len(found) > 1 else []


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
