"""Which rows and columns of a result are asked for: after the disclosure rules, never before."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiExample, OpenApiParameter
from rest_framework import exceptions

from analysis.models import Verdict
from cohorts.models import Feature

BY_TEXT = ("feature", "stratum", "site", "verdict")
LIMITS = ("p_below", "q_below")


def text_parameter(
    name: str, what: str, example: str = "", *, required: bool = False
) -> OpenApiParameter:
    shown = [OpenApiExample(example, value=example)] if example else []
    return OpenApiParameter(
        name, OpenApiTypes.STR, description=what, examples=shown, required=required
    )


def limit_parameter(name: str, what: str) -> OpenApiParameter:
    shown = [OpenApiExample("0.05", value=0.05)]
    return OpenApiParameter(name, OpenApiTypes.FLOAT, description=what, examples=shown)


FEATURE = text_parameter("feature", "canonical name", "ornithine")
CLASS = text_parameter("class", "chemical class of the feature, as the dictionary has it")
STRATUM = text_parameter("stratum", "all, men or women", "men")
SITE = text_parameter("site", "code of the site", "FUK")
VERDICT = text_parameter("verdict", "replicated, opposite, undecided or not_testable", "replicated")
FIELDS = text_parameter(
    "fields", "columns to send, separated by commas; all without it", "stratum,feature,estimate"
)
PAGE_SIZE = OpenApiParameter(
    "page_size", OpenApiTypes.INT, description="rows of a page, 1 to 10,000; all without it"
)
CURSOR = text_parameter("cursor", "from the Link header of the page before")
PAGES = (PAGE_SIZE, CURSOR)
LARGEST_PAGE = 10_000
P_BELOW = limit_parameter("p_below", "rows with a smaller p")
Q_BELOW = limit_parameter("q_below", "rows with a smaller q")


@dataclass(frozen=True)
class Page:
    """A part of a table that never changes: a cursor is the place at which it goes on."""

    begin: int
    size: int | None

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> Page:
        """Read from the query; ValidationError for what is no size, or no cursor of ours."""
        size, begin = asked.get("page_size"), asked.get("cursor", "0")
        if not begin.isascii() or not begin.isdecimal() or len(begin) > 12:
            raise exceptions.ValidationError({"cursor": "Take it from the Link header."})
        if size is None:
            return cls(int(begin), None)
        if not size.isascii() or not size.isdecimal() or not 1 <= int(size[:9]) <= LARGEST_PAGE:
            raise exceptions.ValidationError({"page_size": f"A number from 1 to {LARGEST_PAGE}."})
        return cls(int(begin), int(size[:9]))

    @property
    def is_everything(self) -> bool:
        """Whether no page is asked for, but the table."""
        return self.begin == 0 and self.size is None

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows of this page."""
        end = None if self.size is None else self.begin + self.size
        return frame.iloc[self.begin : end]

    def following(self, frame: pd.DataFrame) -> str | None:
        """The cursor of the next page, None on the last."""
        end = None if self.size is None else self.begin + self.size
        return str(end) if end is not None and end < len(frame) else None


@dataclass(frozen=True)
class ResultQuery:
    """A question about a result table."""

    text: Mapping[str, str]
    limits: Mapping[str, float]
    chemical_class: str
    fields: tuple[str, ...]

    @classmethod
    def of(cls, asked: Mapping[str, str], columns: Sequence[str]) -> ResultQuery:
        """Read the query; ValidationError for a limit, a column or a word that cannot be."""
        refuse_no_verdict(asked)
        _refuse_no_class(asked.get("class", ""))
        return cls(
            text={name: asked[name].casefold() for name in BY_TEXT if name in asked},
            limits={name: _limit(name, asked[name]) for name in LIMITS if name in asked},
            chemical_class=asked.get("class", ""),
            fields=_columns(asked.get("fields", ""), columns),
        )

    @property
    def picks(self) -> bool:
        """Whether it asks for some rows by what they are about."""
        return bool(self.text.keys() - {"verdict"} or self.chemical_class)

    def rows(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The rows that it asks for."""
        for name, wanted in self.text.items():
            if name in frame:
                frame = frame[frame[name].astype(str).str.casefold() == wanted]
        if self.chemical_class and "feature" in frame:
            frame = frame[frame["feature"].isin(self._of_the_class())]
        for name, limit in self.limits.items():
            column = name.removesuffix("_below")
            if column in frame:
                frame = frame[frame[column] < limit]
        return frame.reset_index(drop=True)

    def columns(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The columns that it asks for, in its order."""
        return frame[list(self.fields)] if self.fields else frame

    def rests_on(self) -> list[str]:
        """What its answer rests on beside the run: names that the dictionary puts in the class."""
        return sorted(self._of_the_class()) if self.chemical_class else []

    def _of_the_class(self) -> list[str]:
        known = Feature.objects.filter(chemical_class__iexact=self.chemical_class)
        return list(known.values_list("name", flat=True))


def refuse_no_verdict(asked: Mapping[str, str]) -> None:
    """ValidationError for a word that is no verdict."""
    verdict = asked.get("verdict", "").casefold()
    if verdict not in ("", *Verdict.Word.values):
        raise exceptions.ValidationError({"verdict": f"One of {', '.join(Verdict.Word.values)}."})


def _refuse_no_class(wanted: str) -> None:
    """ValidationError for a class that no feature is of: an empty answer would read as a result."""
    if not wanted or Feature.objects.filter(chemical_class__iexact=wanted).exists():
        return
    classes = Feature.objects.exclude(chemical_class="").values_list("chemical_class", flat=True)
    known = sorted(set(classes))
    words = f"No feature is of the class {wanted!r}; choose from {', '.join(known)}."
    raise exceptions.ValidationError({"class": words})


def _limit(name: str, text: str) -> float:
    try:
        limit = float(text)
    except ValueError:
        limit = math.nan
    if not 0 <= limit <= 1:
        raise exceptions.ValidationError({name: "A number from 0 to 1, such as 0.05."})
    return limit


def _columns(text: str, known: Sequence[str]) -> tuple[str, ...]:
    asked = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    unknown = [name for name in asked if name not in known]
    if unknown:
        raise exceptions.ValidationError(
            {"fields": f"There is no column {unknown[0]!r}; choose from {', '.join(known)}."}
        )
    return asked
