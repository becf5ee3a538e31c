"""The API describes itself completely, and its page works offline under the strict CSP."""

from __future__ import annotations

import re

import pytest
import yaml
from django.contrib.staticfiles import finders
from django.core.management import call_command

from tests.factories import user_with


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """The schema as the command writes it; a warning fails it."""
    file = tmp_path_factory.mktemp("openapi") / "schema.yaml"
    call_command("spectacular", "--validate", "--fail-on-warn", "--file", str(file))
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def test_the_schema_is_valid_and_without_a_warning(schema):
    assert schema["openapi"] == "3.1.1"


@pytest.mark.parametrize(
    "resource",
    [
        *("sites", "participants", "consents", "withdrawals", "samples", "assessments", "uploads"),
        *("features", "assay-batches", "erasures", "plans", "claims", "runs", "changes"),
        *("consent-forms", "queries", "boxes", "shipments", "destructions"),
    ],
)
def test_every_resource_is_described(schema, resource):
    assert f"/api/v1/{resource}" in {path.rstrip("/") for path in schema["paths"]}


def test_a_table_is_described_in_its_three_forms(schema):
    (path,) = (path for path in schema["paths"] if "/effects" in path)
    content = schema["paths"][path]["get"]["responses"]["200"]["content"]
    assert set(content) == {"application/json", "text/csv", "application/vnd.apache.parquet"}


def test_of_rows_with_chosen_columns_none_must_be_there(schema):
    rows, paths = schema["components"]["schemas"], []
    for path, methods in schema["paths"].items():
        reading = methods.get("get", {})
        if "fields" in {each["name"] for each in reading.get("parameters", ())}:
            told = reading["responses"]["200"]["content"]["application/json"]["schema"]
            page = rows.get(told.get("$ref", "").rpartition("/")[2])
            items = (page["properties"]["results"] if page else told)["items"]
            row = rows[items["$ref"].rpartition("/")[2]]
            assert row["properties"], path
            assert not row.get("required"), path
            paths.append(path)
    assert len(paths) > 20
    assert rows["EffectRow"]["required"]
    assert rows["EffectRow"]["properties"] == rows["EffectRowColumns"]["properties"]


def test_errors_are_described_as_problems(schema):
    for path, methods in schema["paths"].items():
        for method, operation in methods.items():
            answers = operation["responses"]
            assert {"401", "403"} <= set(answers), (path, method)
            assert "application/problem+json" in answers["401"]["content"]


def test_the_schema_is_for_those_who_log_in(client, db):
    refused = client.get("/api/v1/schema")
    assert refused.status_code == 401
    assert refused["Content-Type"] == "application/problem+json"
    client.force_login(user_with("CA"))
    assert client.get("/api/v1/schema").status_code == 200


def test_the_page_needs_nothing_from_elsewhere_and_nothing_inline(client, db):
    client.force_login(user_with("CA"))
    page = client.get("/api/v1/docs")
    html = page.content.decode()
    assert "<style" not in html
    assert " style=" not in html
    assert not re.search(r"<script(?![^>]*\bsrc=)", html)
    sources = re.findall(r'(?:src|href)="([^"]+)"', html)
    assert len(sources) == 5
    for source in sources:
        if "/api/v1/docs" in source:
            script = client.get(source.replace("&amp;", "&"))
            assert script["Content-Type"] == "application/javascript"
            assert "SwaggerUIBundle" in script.content.decode()
        else:
            assert finders.find(source.removeprefix("/static/")), source
