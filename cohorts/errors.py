"""Refusals of the study's records. Every message is a sentence that a person reads."""

from __future__ import annotations


class DomainError(Exception):
    """A rule of the study forbids what was asked. Subclasses carry a stable ``code``."""

    code = "refused"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class NotAllowed(DomainError):
    """The person's role does not cover this, at this site."""

    code = "not_allowed"


class NoSuchSite(DomainError):
    """Said alike of a site that does not exist and of one that is somebody else's."""

    code = "no_such_site"

    def __init__(self, site_code: str) -> None:
        super().__init__(f"There is no site {site_code!r} that you can send tables for.")


class UnusableRequest(DomainError):
    """The request itself cannot be carried out; the message says what to change."""

    code = "unusable_request"


class RefusedErasure(DomainError):
    """An erasure is not at the point where this can be done, or not by this person."""

    code = "erasure_refused"


class AlreadyWithdrawn(DomainError):
    """A withdrawal can be raised, not lowered; a lower level is a new consent."""

    code = "already_withdrawn"


class RefusedQuery(DomainError):
    """A data query is not at the point where this can be done, or not by this person."""

    code = "query_refused"


class ChangedMeanwhile(DomainError):
    """Somebody else has changed the row since it was read."""

    code = "changed_meanwhile"


class BooksHaveMoved(DomainError):
    """What was checked would now do something else than the person was shown."""

    code = "books_have_moved"


class RefusedHandling(DomainError):
    """A tube, box, shipment or batch is not at the point where this can be done to it."""

    code = "handling_refused"


class RefusedDecision(DomainError):
    """The dictionary or a batch is not at the point where this can be decided of it."""

    code = "decision_refused"
