"""Addresses of plans, runs and claims under /api/v1/."""

from analysis.api import claims, dictionaries, quality, runs, webhooks
from cohorts.api.base import EitherSlashRouter

router = EitherSlashRouter()
router.register("plans", claims.PlanViewSet, basename="api-plans")
router.register("claims", claims.ClaimViewSet, basename="api-claims")
router.register("runs", runs.RunViewSet, basename="api-runs")
router.register("dictionaries", dictionaries.DictionaryViewSet, basename="api-dictionaries")
router.register("assay-batches", quality.QualityViewSet, basename="api-assay-quality")
router.register("webhooks", webhooks.WebhookViewSet, basename="api-webhooks")


urlpatterns = router.urls
