"""Forms of an answer beside those of every list."""

from __future__ import annotations

from typing import Any

from rest_framework import renderers

from cohorts.api.renderers import FileRenderer

JSON_ONLY = [renderers.JSONRenderer]


class ZipRenderer(FileRenderer):
    """A file of bytes as it is."""

    media_type, format, charset = "application/zip", "zip", None

    def content_of(self, data: Any) -> bytes:
        return bytes(data)
