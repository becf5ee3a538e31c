"""Forms of an answer beside those of every list."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework import renderers

JSON_ONLY = [renderers.JSONRenderer]


class ZipRenderer(renderers.BaseRenderer):
    """A file of bytes as it is; an error stays a JSON problem."""

    media_type, format, charset, render_style = "application/zip", "zip", None, "binary"

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        response = dict(renderer_context or {}).get("response")
        if response is not None and response.exception:
            problem: bytes = renderers.JSONRenderer().render(
                data, None, dict(renderer_context or {})
            )
            return problem
        return bytes(data)
