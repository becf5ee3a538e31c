"""A site whose tables are not taken for a while: people, consents and results stay as they are."""

from __future__ import annotations

from cohorts import access
from cohorts.errors import DomainError, NotAllowed
from cohorts.language.sentences import say
from cohorts.models import Site, User
from cohorts.retrying import transacted

LONGEST_REASON = 200


class SitePaused(DomainError):
    """Tables of the site are not taken for now."""

    code = "site_paused"


def pause(site_id: int, *, because: str, by: User) -> Site:
    """Take no table of the site until it is resumed. SitePaused without a reason, NotAllowed."""
    reason = because.strip()[:LONGEST_REASON]
    if not reason:
        raise SitePaused(say("Say why: whoever sends a table of the site is told."))
    return _set(site_id, reason, by)


def resume(site_id: int, *, by: User) -> Site:
    """Take the site's tables again."""
    return _set(site_id, "", by)


def refuse_paused(site: Site) -> None:
    """Raises SitePaused with the reason. Withdrawals and consents are taken all the same."""
    if site.paused_because:
        raise SitePaused(
            say(
                "Tables of %(site)s are not taken for now: %(reason)s The consortium's "
                "data manager resumes the site; consents and withdrawals are recorded as ever.",
                site=site.code,
                reason=site.paused_because,
            )
        )


@transacted
def _set(site_id: int, because: str, by: User) -> Site:
    if not access.may(by, "site_pause", "S", site_id):
        raise NotAllowed(say("The consortium's data manager or the administrator pauses a site."))
    site: Site = Site.objects.select_for_update(no_key=True).get(pk=site_id)
    site.paused_because = because
    site.save(update_fields=["paused_because"])
    return site
