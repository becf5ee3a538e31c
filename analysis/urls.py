"""Pages of runs and what they concluded."""

from django.urls import path

from analysis.views import batches, claims, dictionary, home, plots, runs, sites

urlpatterns = [
    path("", home.home, name="home"),
    path("sites/<str:code>/", sites.site, name="site"),
    path("runs/", runs.run_list, name="runs"),
    path("runs/ask/", runs.ask, name="run-ask"),
    path("runs/<uuid:run_id>/cancel/", runs.cancel, name="run-cancel"),
    path("runs/<uuid:run_id>/priority/", runs.put_first, name="run-priority"),
    path("runs/<uuid:run_id>/release/", runs.approve_release, name="run-release"),
    path("runs/latest/", runs.latest, name="run-latest"),
    path("sites/<str:code>/batches/", batches.batches, name="batches"),
    path("batches/<int:batch_id>/", batches.batch, name="batch"),
    path("claims/<slug:code>/", claims.claim, name="claim"),
    path("runs/<uuid:run_id>/", runs.run, name="run"),
    path("runs/<uuid:run_id>/plots/", plots.run_plots, name="run-plots"),
    path("studies/<slug:code>/variables/", dictionary.dictionary, name="dictionary"),
    path(
        "studies/<slug:code>/variables/<int:version>.csv",
        dictionary.dictionary_file,
        name="dictionary-file",
    ),
]
