"""The admin of the records: each part registers its own models."""

from cohorts.admin import accounts, assays, dictionary, people, records, reference, samples

__all__ = ["accounts", "assays", "dictionary", "people", "records", "reference", "samples"]
