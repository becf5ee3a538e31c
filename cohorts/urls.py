"""Pages of people, sites and uploads."""

from django.urls import path

from cohorts import (
    views,
    views_consent,
    views_entries,
    views_erasures,
    views_features,
    views_moves,
    views_people,
    views_queries,
    views_samples,
    views_scan,
    views_staff,
    views_uploads,
)

urlpatterns = [
    path("account/tokens/", views.tokens, name="tokens"),
    path("account/tokens/<int:token_id>/revoke/", views.revoke_token, name="token-revoke"),
    path("staff/", views_staff.staff, name="staff"),
    path("staff/roles/<int:membership_id>/end/", views_staff.end_role, name="role-end"),
    path(
        "staff/invitations/<int:invitation_id>/withdraw/",
        views_staff.withdraw_invitation,
        name="invitation-withdraw",
    ),
    path("invitations/<str:key>/", views_staff.invitation, name="invitation"),
    path("sites/<str:code>/upload/", views.upload, name="upload"),
    path("sites/<str:code>/consent/", views_consent.consent, name="consent"),
    path("sites/<str:code>/withdrawal/", views_consent.withdrawal, name="withdrawal"),
    path("sites/<str:code>/renewals/", views_consent.renewals, name="renewals"),
    path("sites/<str:code>/queries/", views_queries.queries, name="queries"),
    path("sites/<str:code>/samples/", views_samples.samples, name="samples"),
    path("sites/<str:code>/scan/", views_scan.scan, name="scan"),
    path("samples/<int:sample_id>/", views_samples.sample, name="sample"),
    path("sites/<str:code>/labels/", views_samples.labels, name="labels"),
    path("sites/<str:code>/shipments/", views_samples.shipments, name="shipments"),
    path("shipments/<int:shipment_id>/", views_samples.shipment, name="shipment"),
    path("sites/<str:code>/destructions/", views_samples.destructions, name="destructions"),
    path("features/review/", views_features.name_list, name="names"),
    path("features/<int:feature_id>/", views_features.feature, name="feature"),
    path("queries/<int:query_id>/", views_queries.query, name="query"),
    path("sites/<str:code>/participants/", views_people.people, name="people"),
    path("participants/<int:participant_id>/", views_people.person, name="person"),
    path("participants/<int:participant_id>/merge/", views_moves.merge, name="person-merge"),
    path("participants/<int:participant_id>/move/", views_moves.offer, name="person-move"),
    path("participants/<int:participant_id>/visit/", views_entries.visit, name="person-visit"),
    path(
        "participants/<int:participant_id>/scales/<int:instrument_id>/",
        views_entries.scale,
        name="person-scale",
    ),
    path(
        "assessments/<int:assessment_id>/second/", views_entries.second_entry, name="entry-second"
    ),
    path(
        "assessments/<int:assessment_id>/entries/",
        views_entries.comparison,
        name="entry-comparison",
    ),
    path("sites/<str:code>/erasures/", views_erasures.erasures, name="erasures"),
    path("erasures/<int:erasure_id>/", views_erasures.decide, name="erasure-decide"),
    path("transfers/<int:transfer_id>/", views_moves.take_over, name="transfer"),
    path("participants/<int:participant_id>/correct/", views_people.correct, name="person-correct"),
    path("uploads/<uuid:upload_id>/", views_uploads.report, name="upload-report"),
    path("uploads/<uuid:upload_id>/accept/", views_uploads.accept, name="upload-accept"),
    path("uploads/<uuid:upload_id>/encoding/", views_uploads.encoding, name="upload-encoding"),
    path("uploads/<uuid:upload_id>/mapping/", views_uploads.mapping, name="upload-mapping"),
    path("uploads/<uuid:upload_id>/discard/", views_uploads.discard, name="upload-discard"),
    path("uploads/<uuid:upload_id>/remarks/", views_uploads.remarks, name="upload-remarks"),
]
