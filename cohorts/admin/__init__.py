"""The admin of the records: each part registers its own models."""

from cohorts.admin import accounts, dictionary, people, records, samples

__all__ = ["accounts", "dictionary", "people", "records", "samples"]
