"""What is asked for seldom has an ETag too, of its content: the answer is made, and not sent."""

import pytest
from django.core.cache import cache

from tests.factories import AssayBatchFactory, FeatureFactory, UploadFactory, user_with

pytestmark = pytest.mark.django_db


@pytest.fixture
def addresses():
    batch, feature = AssayBatchFactory(), FeatureFactory()
    upload = UploadFactory(site=batch.site)
    return {
        "qc": f"/api/v1/assay-batches/{batch.pk}/qc",
        "lineage": f"/api/v1/features/{feature.pk}/lineage",
        "review": "/api/v1/features/review",
        "mapping": f"/api/v1/uploads/{upload.pk}/mapping",
    }


@pytest.mark.parametrize("name", ["qc", "lineage", "review", "mapping"])
def test_it_is_not_sent_again_while_it_is_the_same(api, addresses, name):
    api.force_authenticate(user_with("CD"))
    first = api.get(addresses[name])
    assert first.status_code == 200
    again = api.get(addresses[name], headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    assert again["Cache-Control"] == first["Cache-Control"] == "private, no-cache"
    assert again["Vary"] == first["Vary"]
    assert api.get(addresses[name], headers={"If-None-Match": '"other"'}).content == first.content


def test_a_refusal_has_none(api):
    api.force_authenticate(user_with("CD"))
    assert not api.get("/api/v1/features/999999/lineage").has_header("ETag")


@pytest.mark.parametrize("name", ["qc", "/api/v1/features"])
def test_a_304_is_not_counted_among_the_requests_of_a_minute(api, addresses, name, settings):
    cache.clear()
    api.force_authenticate(user_with("CD"))
    address = addresses.get(name, name)
    tag = api.get(address)["ETag"]
    settings.RATE_PER_MINUTE = 3
    asked = [api.get(address, headers={"If-None-Match": tag}).status_code for _ in range(5)]
    assert asked == [304] * 5
