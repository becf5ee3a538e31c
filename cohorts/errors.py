"""Refusals of the study's records. Every message is a sentence that a person reads."""


class DomainError(Exception):
    """A rule of the study forbids what was asked. Subclasses carry a stable ``code``."""

    code = "refused"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
