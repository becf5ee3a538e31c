"""Every address of the platform."""

from django.urls import include, path

from cohorts.admin_site import site as admin_site
from cohorts.views.language import choose

urlpatterns = [
    path("admin/", admin_site.urls),
    path("api/v1/", include("cohorts.urls_api")),
    path("api/v1/", include("analysis.urls_api")),
    path("api/v1/", include("hikiproject.openapi")),
    path("", include("hikiproject.health")),
    path("language/", choose, name="set_language"),
    path("", include("cohorts.urls_account")),
    path("", include("cohorts.urls")),
    path("", include("analysis.urls")),
]
handler400 = "hikiproject.refusals.bad_request"
handler403 = "hikiproject.refusals.permission_denied"
handler404 = "hikiproject.refusals.page_not_found"
handler500 = "hikiproject.refusals.server_error"
