"""The API's own description: schema, page, and the answer at addresses that are not there."""

from __future__ import annotations

from typing import Any, ClassVar

from django.urls import path, re_path
from django.utils import translation
from django.views.decorators.http import conditional_page
from django.views.generic import RedirectView
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.request import Request
from rest_framework.response import Response

from cohorts.api.base import NothingHere


class MadeOnce(SchemaGenerator):
    """The schema of this code: making it takes a second, and it does not change while we run."""

    _made: ClassVar[dict[tuple[object, ...], dict[str, Any]]] = {}

    def get_schema(self, request: Any = None, public: bool = False) -> dict[str, Any]:
        known = (self.api_version, translation.get_language(), public)
        if known not in self._made:
            self._made[known] = super().get_schema(request, public)  # type: ignore[no-untyped-call]  # no types
        return self._made[known]


class SchemaView(SpectacularAPIView):
    """OpenAPI 3.1.1; the same for everybody who is logged in."""

    generator_class = MadeOnce

    def finalize_response(
        self, request: Request, response: Response, *args: Any, **kwargs: Any
    ) -> Response:
        done = super().finalize_response(request, response, *args, **kwargs)
        done["Cache-Control"] = "private, no-cache"
        return done


class DocsView(SpectacularSwaggerSplitView):
    """Swagger UI from the sidecar, without inline script or style: the CSP forbids them."""

    template_name = "api/docs.html"


urlpatterns = [
    path("", RedirectView.as_view(pattern_name="api-docs"), name="api-root"),
    re_path(r"^schema/?$", conditional_page(SchemaView.as_view()), name="schema"),
    re_path(r"^docs/?$", conditional_page(DocsView.as_view(url_name="schema")), name="api-docs"),
    re_path(r"^[\s\S]*$", NothingHere.as_view(), name="api-nothing"),
]
