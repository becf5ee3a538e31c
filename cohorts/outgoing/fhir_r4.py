"""FHIR R4, which most hospitals still speak: the bundle of R5 with R4's names."""

from __future__ import annotations

from typing import Any, Final

from cohorts.outgoing import fhir
from cohorts.outgoing.records import OutSite

_RESEARCH: Final = {
    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "research"}]
}
_CONSENT_DOCUMENT: Final = {"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}
# R4 wants the rule under which a consent holds; ours is the form that was signed.
_POLICY: Final = {"text": "The consent form that the participant signed."}


def write(site: OutSite) -> str:
    """The bundle as JSON, with the same resources and ids as the one of R5."""
    return fhir.bundled([_as_r4(resource) for resource in fhir.resources_of(site)])


def _as_r4(resource: dict[str, Any]) -> dict[str, Any]:
    made = dict(resource)
    if made["resourceType"] == "ResearchSubject":
        made["status"] = "withdrawn" if made.pop("progress", None) else "on-study"
        made["individual"] = made.pop("subject")
        made["assignedArm"] = made.pop("assignedComparisonGroup")
    if made["resourceType"] == "Consent":
        made["patient"] = made.pop("subject")
        made["dateTime"] = made.pop("date")
        made |= {"scope": _RESEARCH, "category": [_CONSENT_DOCUMENT], "policyRule": _POLICY}
        (purposes,) = made["provision"]
        made["provision"] = {"type": made.pop("decision"), **purposes}
    return made
