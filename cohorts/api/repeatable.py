"""Idempotency-Key on every POST: a client that lost the answer sends the same request again."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpResponse
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from cohorts.models import SentRequest
from cohorts.requests import user_of
from cohorts.services import repeats

HEADER = "Idempotency-Key"
LONGEST_KEY = 200
KEPT_HEADERS = ("Content-Type", "Location", "Retry-After", "ETag")


class Repeatable(APIView):
    """Answers of POSTs under a key are kept for 24 hours and sent again with the same words."""

    sent: SentRequest | None = None

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        key = request.headers.get(HEADER)
        if request.method != "POST" or key is None:
            return
        if not 1 <= len(key) <= LONGEST_KEY or not key.isprintable():
            raise ValidationError({HEADER: f"1 to {LONGEST_KEY} printable characters."})
        sent = repeats.begin(
            user_of(request), key=key, route=request.path[:300], digest=_digest(request)
        )
        if sent.status is None:
            self.sent = sent
        else:
            # REST framework looks for the handler on the view itself, after this.
            self.post = _again(sent)

    def handle_exception(self, exc: Exception) -> Response:
        try:
            return super().handle_exception(exc)
        except Exception:
            self._give_up()
            raise

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        done = super().finalize_response(request, response, *args, **kwargs)
        if self.sent is not None and done.status_code >= 500:
            self._give_up()
        elif self.sent is not None:
            done.add_post_render_callback(self._keep)
        return done

    def _keep(self, answer: Response) -> None:
        if self.sent is not None:
            headers = {name: answer[name] for name in KEPT_HEADERS if name in answer}
            repeats.answered(self.sent, answer.status_code, headers, answer.content)

    def _give_up(self) -> None:
        if self.sent is not None:
            repeats.give_up(self.sent)
            self.sent = None


def _again(sent: SentRequest) -> Callable[..., HttpResponse]:
    def answer(*_args: Any, **_kwargs: Any) -> HttpResponse:
        told = HttpResponse(bytes(sent.body), status=sent.status, headers=sent.headers)
        told["Idempotent-Replayed"] = "true"
        return told

    return answer


def _digest(request: Request) -> str:
    """SHA-256 of what is asked; a form by its fields, since its boundaries differ each time."""
    if not (request.content_type or "").startswith("multipart/"):
        return hashlib.sha256(request.body).hexdigest()
    seen = hashlib.sha256()
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    if length > 2 * settings.UPLOAD_MAX_BYTES:
        return seen.hexdigest()  # refused for its length before it is read
    form: Any = request.data  # a QueryDict, since the body is a form
    for name, values in sorted(form.lists()):
        for value in values:
            seen.update(f"\0{name}\0".encode())
            if isinstance(value, UploadedFile):
                for chunk in value.chunks():
                    seen.update(chunk)
                value.seek(0)
            else:
                seen.update(str(value).encode(errors="surrogatepass"))
    return seen.hexdigest()
