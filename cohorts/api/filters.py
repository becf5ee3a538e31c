"""Filters that many lists share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django_filters import rest_framework as filters

if TYPE_CHECKING:  # the package has no types

    class FilterSet:
        """A declaration of query parameters."""
else:
    FilterSet = filters.FilterSet


class BySite(FilterSet):
    site = filters.CharFilter(field_name="site__code")


class ByParticipant(FilterSet):
    site = filters.CharFilter(field_name="participant__site__code")
    participant = filters.CharFilter(field_name="participant__code")
