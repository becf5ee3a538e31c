"""Other people's files as they published them, small on the way and asked for once."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from pathlib import Path

import pytest
from django.conf import settings

from hikiproject.packing import packed
from tests.factories import user_with

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


def test_a_list_of_the_admin_weighs_under_300_kilobytes(client):
    client.force_login(user_with("CD"))
    page = client.get("/admin/cohorts/participant/").content
    files = set(re.findall(rb'(?:src|href)="(/static/[^"]+)"', page))
    assert len(files) > 15
    sent = {}
    for address in files:
        answer = client.get(address.decode(), headers={"accept-encoding": "gzip"})
        answer.close()
        sent[address] = int(answer["Content-Length"])
    assert len(page) + sum(sent.values()) < 300_000, sent


def test_a_file_that_has_changed_is_packed_anew(tmp_path):
    written = tmp_path / "one.css"
    for words in ("p { color: red }", "p { color: rebeccapurple }"):
        written.write_text(words)
        stood = written.stat()
        link = packed(str(written), stood.st_mtime_ns, stood.st_size)
        assert gzip.decompress(Path(f"{link}.gz").read_bytes()).decode() == words
        assert Path(link).read_text() == words
