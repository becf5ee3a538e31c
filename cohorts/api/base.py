"""What every list and record of the API shares: rights from the table, pages, ETags, slashes."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet, prefetch_related_objects
from django.http import HttpResponseBase
from django.utils.cache import patch_vary_headers
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, permissions, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from cohorts import access
from cohorts.api import conditional, questions, sparse, throttling, whole_lists
from cohorts.api.renderers import TABLE_RENDERERS
from cohorts.api.repeatable import Repeatable
from cohorts.api.schema import ProblemSchema
from cohorts.models import ApiToken, Participant
from cohorts.models.account import SCOPES
from cohorts.requests import user_of

logger = logging.getLogger(__name__)


class TablePermission(permissions.BasePermission):
    """The permission table's answer for the view's resource; an action without a verb is denied."""

    message = "Your role does not cover this."

    def has_permission(self, request: Request, view: APIView) -> bool:
        action = getattr(view, "action", None)
        if action is None:
            return True  # no such method here: 405 says so
        verb = getattr(view, "verbs", {}).get(action)
        resource = view.resource_of(action) if hasattr(view, "resource_of") else ""
        # Several verbs: any of them will do.
        known = resource in access.TABLE
        allowed = [
            each for each in verb or "" if known and access.may(request.user, resource, each)
        ]
        if allowed:
            return self._in_scope(request, allowed)
        roles = ",".join(sorted(access.roles_of(request.user))) or "none"
        logger.warning("denied: %s %s for role %s", request.method, request.path, roles)
        return False

    def _in_scope(self, request: Request, verbs: Sequence[str]) -> bool:
        token = request.auth
        if not isinstance(token, ApiToken) or any(map(token.covers, verbs)):
            return True
        needed = next(scope for scope, held in SCOPES.items() if verbs[0] in held)
        raise exceptions.PermissionDenied(
            f"This token has the scope {', '.join(token.scopes)}; this needs {needed}. "
            "Issue another one on the page Tokens."
        )


class ScopedViewSet(Repeatable, viewsets.GenericViewSet[Any]):
    """Default deny: no rows unless the model's ``visible_to`` gives them.

    ``queryset`` is always ``Model.objects.none()`` and names the model. ``related`` is joined,
    ``prefetched`` is read only when the answer is made.
    """

    queryset: Any = None
    permission_classes = [permissions.IsAuthenticated, TablePermission]
    renderer_classes = TABLE_RENDERERS
    schema = ProblemSchema()
    lookup_value_regex = "[A-Za-z0-9_-]+"
    verbs: ClassVar[Mapping[str, str]] = {"list": "R", "retrieve": "R", "metadata": "R"}
    related: ClassVar[Sequence[str]] = ()
    prefetched: ClassVar[Sequence[str]] = ()
    # Corrections, which name the state of the record that they correct (preconditions.py).
    conditional_actions: ClassVar[Sequence[str]] = ()

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if self.action is not None:  # else there is no such method here: 405 says so
            questions.refuse_unknown(request)

    def resource_of(self, action: str) -> str:
        """The row of the permission table that rules this action."""
        return str(getattr(self.queryset, "resource", ""))

    def get_queryset(self) -> QuerySet[Any]:
        if getattr(self, "swagger_fake_view", False):
            unread: QuerySet[Any] = self.queryset
            return unread
        rows: QuerySet[Any] = self.queryset.model.objects.visible_to(self.request.user)
        return rows.select_related(*self.related) if self.related else rows

    def also_rests_on(self) -> list[object]:
        """What the answers show beside the rows themselves, for the ETag."""
        return []

    def etag(self, *parts: object) -> str:
        """The ETag of this answer: the caller's rights today, the question, and ``parts``."""
        asked = conditional.question_of(self.request)
        return conditional.etag_of(asked, conditional.standing_of(self.request.user), *parts)

    def finalize_response(
        self, request: Request, response: Any, *args: Any, **kwargs: Any
    ) -> Response:
        done: Response = super().finalize_response(request, response, *args, **kwargs)
        done["Cache-Control"] = "private, no-cache"
        patch_vary_headers(done, ("Authorization", "Cookie", "Accept"))
        if done.status_code == status.HTTP_304_NOT_MODIFIED:
            throttling.take_back(request)
        if request.method in ("GET", "HEAD") and done.status_code == status.HTTP_200_OK:
            done = conditional.with_etag(request, done)
        return done


def person_named(request: Request, site: str, code: str) -> Participant:
    """The participant of that code whom the caller may see, or the 404 of one who is not there."""
    seen = Participant.objects.visible_to(request.user)
    found: Participant | None = seen.filter(site__code=site, code=code).first()
    if found is None:
        raise exceptions.NotFound
    return found


class RecordViewSet(ScopedViewSet):
    """Lists in pages and single records, read only."""

    def list(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        rows = self.filter_queryset(self.get_queryset())
        fields: Mapping[str, Any] = getattr(self.get_serializer(), "fields", {})
        names = sparse.asked_for(request, fields)
        if whole_lists.asked_for(request):
            return self._whole(rows, {name: fields[name] for name in names})
        page = self.paginate_queryset(rows) or []
        links = self.paginator.get_paginated_response([]).data  # type: ignore[union-attr]  # lists have pages
        etag = self._version([*conditional.page_version(page), links["next"], links["previous"]])
        if conditional.not_modified(request, etag):
            return conditional.unchanged(etag)
        prefetch_related_objects(page, *self.prefetched)
        told = self.get_serializer(page, many=True).data
        if "fields" in request.query_params:
            told = sparse.columns(told, names)
        answer: Response = self.get_paginated_response(told)
        answer["ETag"] = etag
        if links["next"]:
            answer["Link"] = f'<{links["next"]}>; rel="next"'
        return answer

    def _whole(self, rows: QuerySet[Any], fields: Mapping[str, Any]) -> HttpResponseBase:
        user, what = user_of(self.request), str(self.queryset.model._meta.verbose_name_plural)
        etag = self._version(conditional.version_of(rows))
        if conditional.not_modified(self.request, etag):
            return conditional.unchanged(etag)
        # What is sent long after the request is judged by what held when it began.
        access.hold_to(user, access.standing_of(user))
        form = self.request.accepted_renderer.format
        pieces = whole_lists.table(
            rows.order_by(*getattr(self, "page_ordering", ("pk",))),
            form,
            lambda piece: self.get_serializer(piece, many=True).data,
            fields=fields,
            prefetched=self.prefetched,
        )
        whole_lists.note(user, f"{what}: {self.request.get_full_path()}", rows.count())
        return whole_lists.streamed(pieces, form, str(what), etag)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponseBase:
        row = self.get_object()
        etag = self.record_etag(row)
        if conditional.not_modified(request, etag):
            return conditional.unchanged(etag)
        prefetch_related_objects([row], *self.prefetched)
        return Response(self.get_serializer(row).data, headers={"ETag": etag})

    def record_etag(self, row: Any) -> str:
        """The ETag of one record as this caller reads it."""
        return self._version(conditional.page_version([row]))

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found = super().filter_queryset(queryset)
        versioned: QuerySet[Any] = found.annotate(row_version=conditional.RowVersion())
        return versioned

    def _version(self, parts: Sequence[object]) -> str:
        records = conditional.records_version(self.request.user)
        return self.etag(records, self.also_rests_on(), parts)


def fields_sent(shape: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """What the body of a request says, in the serializer's types. Raises ValidationError."""
    told = shape(data=request.data)
    told.is_valid(raise_exception=True)
    return dict(told.validated_data)


class NothingHere(APIView):
    """Addresses of the API that do not exist: a problem like every other, never an HTML page."""

    permission_classes = [permissions.IsAuthenticated]
    schema = None

    def _nothing(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        raise exceptions.NotFound

    get = post = put = patch = delete = _nothing


class EitherSlashRouter(SimpleRouter):
    """Addresses with and without the slash at their end, described under their first word."""

    def __init__(self) -> None:
        super().__init__()
        self.trailing_slash = "/?"

    def register(self, prefix: str, viewset: type[Any], basename: str | None = None) -> None:
        # On the class, so that what every operation shares also reaches those with words of
        # their own: theirs come first, then the class's.
        super().register(prefix, extend_schema(tags=[prefix])(viewset), basename)


PROBLEM = OpenApiResponse(OpenApiTypes.OBJECT, "A problem (RFC 9457).")


def location_of(request: Request, key: object) -> dict[str, str]:
    """Where a new record is read."""
    return {"Location": request.build_absolute_uri(f"{request.path.rstrip('/')}/{key}")}
