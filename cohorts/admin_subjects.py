"""Under which subject each record stands on the admin's first page."""

from __future__ import annotations

from typing import Any, Final

from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

# Each resource of the permission table belongs to one subject; subjects in the order of a study.
SUBJECTS: Final[dict[Any, frozenset[str]]] = {
    _("Claims, plans and runs"): frozenset(
        {"claim", "plan", "run", "released_result", "unreleased_result"}
    ),
    _("Participants and scales"): frozenset({"participant", "assessment", "transfer"}),
    _("Consent and erasure"): frozenset({"consent", "withdrawal", "erasure"}),
    _("Samples"): frozenset({"sample", "shipment", "destruction"}),
    _("Assays"): frozenset({"upload", "assay", "row_values"}),
    _("Queries"): frozenset({"query"}),
    _("Dictionaries"): frozenset({"dictionary", "dictionary_edit"}),
    _("Studies, sites and accounts"): frozenset({"study", "site", "account", "webhook"}),
    _("What was read, changed and exported"): frozenset({"change", "reading_log", "record_export"}),
}


def by_subject(models: list[tuple[str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Django's list of applications, made of subjects: pairs of a resource and a model's entry.

    Raises
    ------
    KeyError
        A resource that stands under no subject: add it above.
    """
    listed: list[dict[str, Any]] = [
        {"name": name, "app_label": f"subject-{number}", "app_url": "", "models": []}
        for number, name in enumerate(SUBJECTS)
    ]
    place = {resource: n for n, held in enumerate(SUBJECTS.values()) for resource in held}
    for resource, entry in models:
        listed[place[resource]]["models"].append(entry)
    for subject in listed:
        for entry in subject["models"]:
            if is_history(entry["model"]):  # Django would say "custody event events"
                followed = entry["model"].pgh_tracked_model._meta.verbose_name_plural
                entry["name"] = gettext("History of %(records)s") % {"records": followed}
        # What rows were stands after what they are.
        subject["models"].sort(key=lambda entry: (is_history(entry["model"]), entry["name"]))
    return [subject for subject in listed if subject["models"]]


def is_history(model: type[Any]) -> bool:
    """Whether a model keeps what rows of another were."""
    return hasattr(model, "pgh_tracked_model")
