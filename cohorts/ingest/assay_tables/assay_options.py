"""What an assay table does not say of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from cohorts.ingest.assay_tables.values import Scale, ZeroMeans

Layout = Literal["wide", "long"]


@dataclass(frozen=True)
class AssayOptions:
    """What the file does not say of itself.

    ``unit`` is that of features without one of their own; ``scale`` that of the values as sent
    (only ``raw`` has no negative values); ``zero_means`` what a 0 stands for; ``layout`` None
    is told from the header; ``columns``: standard name -> the site's own header, of which
    ``sample_column`` is the one for the sample code.
    """

    platform: str
    matrix: str
    unit: str | None = None
    scale: Scale = "raw"
    zero_means: ZeroMeans = "zero"
    layout: Layout | None = None
    sample_column: str = "sample"
    columns: Mapping[str, str] = field(default_factory=dict)


def mapping_of(options: AssayOptions) -> dict[str, str]:
    """Standard name -> the site's own header, the sample's among them."""
    named = dict(options.columns)
    if options.sample_column != "sample":
        named["sample"] = options.sample_column
    return named
