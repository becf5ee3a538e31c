"""What a request is about: who asks, which site, and the time zone of that site."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from django.http import HttpRequest
from django.shortcuts import get_object_or_404

from cohorts.clock import zone_named
from cohorts.models import Site, User


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
    """Where the site's clocks are."""
    return zone_named(site.time_zone)
