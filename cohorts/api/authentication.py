"""Programs log in with a token: `Authorization: Bearer hiki_...`."""

from __future__ import annotations

from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import authentication, exceptions
from rest_framework.request import Request

from cohorts.api import bearer
from cohorts.models import ApiToken, User


class TokenAuthentication(authentication.BaseAuthentication):
    def authenticate(self, request: Request) -> tuple[User, ApiToken] | None:
        key = bearer.key_of(request.headers.get("Authorization", ""))
        if key is None:
            return None
        token = bearer.token_of(key)
        if token is None:
            raise exceptions.AuthenticationFailed(
                "This token is unknown, expired or revoked; issue a new one."
            )
        if bearer.due_for_writing(token.last_used_at):
            ApiToken.objects.filter(pk=token.pk).update(last_used_at=timezone.now())
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="api"'


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # untyped
    """How the OpenAPI schema describes the token."""

    target_class = "cohorts.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer"}
