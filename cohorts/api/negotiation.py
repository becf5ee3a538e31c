"""In which form an answer is sent."""

from __future__ import annotations

from collections.abc import Iterable

from rest_framework.exceptions import NotAcceptable
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request


class FormatBeforeAccept(DefaultContentNegotiation):
    """`?format=` decides where it is given: many clients send an `Accept` of their own."""

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> tuple[BaseRenderer, str]:
        if request.method == "OPTIONS":  # a description is no table and no file
            return JSONRenderer(), JSONRenderer.media_type
        listed = list(renderers)
        try:
            told: tuple[BaseRenderer, str] = super().select_renderer(request, listed, format_suffix)
        except NotAcceptable:
            form = request.query_params.get("format")
            chosen = next((each for each in listed if each.format == form), None)
            if chosen is None:
                raise
            return chosen, str(chosen.media_type)
        return told
