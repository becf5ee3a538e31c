"""Pages of runs and what they concluded."""

from django.urls import path

from analysis import views

urlpatterns = [
    path("", views.home, name="home"),
    path("runs/", views.run_list, name="runs"),
    path("runs/ask/", views.ask, name="run-ask"),
    path("runs/latest/", views.latest, name="run-latest"),
    path("runs/<uuid:run_id>/", views.run, name="run"),
]
