"""Why a call had no answer, in words that tell nothing of our own network."""

from __future__ import annotations

import ssl

from cohorts.errors import DomainError


def words_of(fault: Exception) -> str:
    """For the delivery log, which the owner of the endpoint reads."""
    if isinstance(fault, DomainError):
        return fault.message[:200]
    if isinstance(fault, ssl.SSLError):
        return "Its certificate does not hold, or it speaks no TLS."
    if isinstance(fault, TimeoutError):
        return "It took too long."
    if isinstance(fault, OSError):
        return "No connection."
    return "It did not answer in HTTP."
