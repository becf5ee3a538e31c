"""Other people's files as they published them, small on the way and asked for once."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from pathlib import Path

import pytest
from django.conf import settings

VENDOR = Path(settings.BASE_DIR) / "cohorts" / "static" / "portal" / "vendor"
FILES = json.loads((VENDOR / "manifest.json").read_text())

pytestmark = pytest.mark.django_db  # the end of a request looks after the connection


@pytest.mark.parametrize("entry", FILES, ids=lambda entry: entry["file"])
def test_a_vendored_file_is_the_published_one_and_goes_packed(client, entry):
    published = (VENDOR / entry["file"]).read_bytes()
    digest = base64.b64encode(hashlib.sha384(published).digest()).decode()
    assert entry["sha384"] == f"sha384-{digest}"
    assert (VENDOR / entry["file"]).parent.joinpath("LICENSE").exists()
    answer = client.get(
        f"/static/portal/vendor/{entry['file']}", headers={"accept-encoding": "gzip"}
    )
    assert answer["Content-Encoding"] == "gzip"
    assert "immutable" in answer["Cache-Control"]
    assert gzip.decompress(b"".join(answer.streaming_content)) == published
    answer.close()


def test_our_own_files_are_asked_for_again(client):
    answer = client.get("/static/portal/theme.css")
    answer.close()
    assert "immutable" not in answer["Cache-Control"]
