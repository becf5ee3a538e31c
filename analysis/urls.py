"""Pages of runs and what they concluded."""

from django.urls import path

from analysis import views, views_batches, views_claims, views_dictionary, views_plots, views_sites

urlpatterns = [
    path("", views.home, name="home"),
    path("sites/<str:code>/", views_sites.site, name="site"),
    path("runs/", views.run_list, name="runs"),
    path("runs/ask/", views.ask, name="run-ask"),
    path("runs/<uuid:run_id>/cancel/", views.cancel, name="run-cancel"),
    path("runs/<uuid:run_id>/priority/", views.put_first, name="run-priority"),
    path("runs/latest/", views.latest, name="run-latest"),
    path("sites/<str:code>/batches/", views_batches.batches, name="batches"),
    path("batches/<int:batch_id>/", views_batches.batch, name="batch"),
    path("claims/<slug:code>/", views_claims.claim, name="claim"),
    path("runs/<uuid:run_id>/", views.run, name="run"),
    path("runs/<uuid:run_id>/plots/", views_plots.run_plots, name="run-plots"),
    path("studies/<slug:code>/variables/", views_dictionary.dictionary, name="dictionary"),
    path(
        "studies/<slug:code>/variables/<int:version>.csv",
        views_dictionary.dictionary_file,
        name="dictionary-file",
    ),
]
