"""The description of rows of which `?fields=` sends some columns: none of them must be there."""

from __future__ import annotations

from typing import Any

from cohorts.api import sparse

_OF_ROWS = "#/components/schemas/"


def describe(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """A hook of drf-spectacular: each list that takes `fields` has rows of chosen columns."""
    rows = result["components"]["schemas"]
    for methods in result["paths"].values():
        reading = methods.get("get", {})
        if sparse.PARAMETER["name"] not in (each["name"] for each in reading.get("parameters", ())):
            continue
        for answer in reading["responses"]["200"]["content"].values():
            items = _items(answer["schema"], rows)
            if items is not None:
                items["$ref"] = _chosen(items["$ref"], rows)
    return result


def _items(answer: dict[str, Any], rows: dict[str, Any]) -> dict[str, Any] | None:
    """What describes one row: of an array as it is, or of a page."""
    if "$ref" in answer:
        answer = rows[answer["$ref"].removeprefix(_OF_ROWS)]["properties"]["results"]
    items: dict[str, Any] | None = answer.get("items")
    return items


def _chosen(whole: str, rows: dict[str, Any]) -> str:
    name = whole.removeprefix(_OF_ROWS)
    if "required" not in rows[name]:
        return whole
    some = f"{name}Columns"
    rows[some] = {key: told for key, told in rows[name].items() if key != "required"}
    return _OF_ROWS + some
