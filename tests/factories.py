"""The least valid row of each noun; a test states only what matters to it."""

from __future__ import annotations

from datetime import date

import factory
import numpy as np
from factory.django import DjangoModelFactory, Password

from cohorts import models
from cohorts.models.assay import pack_flags, pack_values

PASSWORD = "correct horse battery staple"
SCOPES = ["metabolomics", "share_consortium", "store_samples"]


class StudyFactory(DjangoModelFactory):
    class Meta:
        model = models.Study
        django_get_or_create = ("code",)

    code = "hikikomori"
    title = "Blood biomarkers of hikikomori"


class SiteFactory(DjangoModelFactory):
    class Meta:
        model = models.Site
        django_get_or_create = ("code",)

    study = factory.SubFactory(StudyFactory)
    code = factory.Sequence(lambda n: f"S{n:02}")
    name = factory.LazyAttribute(lambda site: f"Site {site.code}")
    country = "JP"
    time_zone = "Asia/Tokyo"


class UserFactory(DjangoModelFactory):
    class Meta:
        model = models.User

    username = factory.Sequence(lambda n: f"user{n}")
    password = Password(PASSWORD)


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = models.Membership

    user = factory.SubFactory(UserFactory)
    site = factory.SubFactory(SiteFactory)
    role = "SC"


class ParticipantFactory(DjangoModelFactory):
    class Meta:
        model = models.Participant

    site = factory.SubFactory(SiteFactory)
    code = factory.Sequence(lambda n: f"P{n:04}")
    sex = "male"
    group = "hikikomori"
    enrolled_on = date(2024, 4, 1)
    age_years = 30.0


class ConsentFactory(DjangoModelFactory):
    class Meta:
        model = models.Consent

    participant = factory.SubFactory(ParticipantFactory)
    signed_on = date(2024, 4, 1)
    scopes = SCOPES
    basis = "signed on paper"


class SampleFactory(DjangoModelFactory):
    class Meta:
        model = models.Sample

    participant = factory.SubFactory(ParticipantFactory)
    site = factory.SelfAttribute("participant.site")
    code = factory.Sequence(lambda n: f"T{n:05}")
    material = "plasma"


class FeatureFactory(DjangoModelFactory):
    class Meta:
        model = models.Feature
        django_get_or_create = ("name",)

    name = factory.Sequence(lambda n: f"feature {n}")


class UploadFactory(DjangoModelFactory):
    class Meta:
        model = models.Upload

    site = factory.SubFactory(SiteFactory)
    kind = "assays"
    sha256 = factory.Sequence(lambda n: f"{n:064x}")
    filename = "assays.csv"
    n_bytes = 1
    status = "accepted"


class AssayBatchFactory(DjangoModelFactory):
    class Meta:
        model = models.AssayBatch

    site = factory.SubFactory(SiteFactory)
    upload = factory.SubFactory(UploadFactory, site=factory.SelfAttribute("..site"))
    platform = "LC-MS"
    matrix = "plasma"


def user_with(role: str, site: models.Site | None = None, **user: object) -> models.User:
    """An account that holds one role."""
    return MembershipFactory(role=role, site=site, user=UserFactory(**user)).user


def assayed_site(
    code: str,
    values: np.ndarray,
    *,
    group: list[str],
    features: list[str],
    sex: list[str] | None = None,
    matrix: str = "plasma",
) -> models.Site:
    """A site whose consenting participants all have values, shape (n_people, n_features)."""
    site = SiteFactory(code=code)
    assayed_batch(site, values, group=group, features=features, sex=sex, matrix=matrix)
    return site


def assayed_batch(
    site: models.Site,
    values: np.ndarray,
    *,
    group: list[str],
    features: list[str],
    sex: list[str] | None = None,
    matrix: str = "plasma",
) -> models.AssayBatch:
    """A batch of new consenting participants of a site, shape (n_people, n_features)."""
    batch = AssayBatchFactory(site=site, matrix=matrix)
    models.BatchFeature.objects.bulk_create(
        models.BatchFeature(
            batch=batch,
            position=position,
            feature=FeatureFactory(name=name),
            source_name=name,
            unit="relative",
        )
        for position, name in enumerate(features)
    )
    people = models.Participant.objects.bulk_create(
        ParticipantFactory.build(
            site=site,
            group=group[number],
            sex=sex[number] if sex else "male",
            age_years=20 + 7 * number % 30,
        )
        for number in range(len(values))
    )
    models.Consent.objects.bulk_create(ConsentFactory.build(participant=one) for one in people)
    samples = models.Sample.objects.bulk_create(
        SampleFactory.build(participant=one, material=matrix) for one in people
    )
    no_flags = pack_flags(np.zeros(len(features), dtype=np.uint8))
    models.AssayRow.objects.bulk_create(
        models.AssayRow(
            batch=batch,
            sample=sample,
            label=sample.code,
            packed_values=pack_values(np.asarray(row, dtype=float)),
            packed_flags=no_flags,
        )
        for sample, row in zip(samples, values, strict=True)
    )
    return batch
