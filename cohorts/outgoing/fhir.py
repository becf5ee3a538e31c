"""FHIR R5: a bundle of ResearchStudy, Patient, ResearchSubject, Consent and Specimen."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from cohorts.outgoing.records import OutPerson, OutSample, OutSite

_GENDER: Final = {"female": "female", "male": "male", "intersex": "other", "unknown": "unknown"}
_CODE_SYSTEM: Final = "urn:hikiproject"
WITHDRAWN: Final = {
    "coding": [
        {
            "system": "http://terminology.hl7.org/CodeSystem/research-subject-state",
            "code": "withdrawn",
        }
    ]
}


def write(site: OutSite) -> str:
    """The bundle as JSON. Of a person it holds the study code, sex and year of birth."""
    return bundled(resources_of(site))


def bundled(resources: list[dict[str, Any]]) -> str:
    """The resources as one collection."""
    entries = [{"fullUrl": _address(r["resourceType"], r["id"]), "resource": r}
               for r in resources]  # fmt: skip
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": entries}
    return json.dumps(bundle, ensure_ascii=False, indent=1)


def resources_of(site: OutSite) -> list[dict[str, Any]]:
    """The site's study, people, consents and samples, in R5's words."""
    study = f"study-{_id(site.study)}"
    resources: list[dict[str, Any]] = [
        {
            "resourceType": "ResearchStudy",
            "id": study,
            "identifier": [_identifier("study", site.study)],
            "title": site.title,
            "status": "active",
        }
    ]
    for person in site.people:
        resources += _person(person, study, site.site)
    return resources + [_specimen(sample, site.site) for sample in site.samples]


def _person(person: OutPerson, study: str, site: str) -> list[dict[str, Any]]:
    key = _id(f"{site}.{person.code}")
    patient: dict[str, Any] = {
        "resourceType": "Patient",
        "id": key,
        "identifier": [_identifier(f"{site}:participant", person.code)],
        "gender": _GENDER[person.sex],
    }
    if person.birth_year is not None:
        patient["birthDate"] = str(person.birth_year)
    subject: dict[str, Any] = {
        "resourceType": "ResearchSubject",
        "id": key,
        "status": "active",
        "study": _to("ResearchStudy", study),
        "subject": _to("Patient", key),
        "period": {"start": person.enrolled_on.isoformat()},
        "assignedComparisonGroup": _id(person.group),
    }
    if person.stopped_on is not None:
        stopped = person.stopped_on.isoformat()
        subject["period"] = {"start": person.enrolled_on.isoformat(), "end": stopped}
        subject["progress"] = [{"subjectState": WITHDRAWN, "startDate": stopped}]
    made = [patient, subject]
    if person.consented_on is not None:
        made.append(_consent(person, key))
    return made


def _consent(person: OutPerson, key: str) -> dict[str, Any]:
    assert person.consented_on is not None  # noqa: S101 - asked for by the caller
    purposes = [{"system": f"{_CODE_SYSTEM}:scope", "code": scope} for scope in person.scopes]
    return {
        "resourceType": "Consent",
        "id": key,
        "status": "active",
        "subject": _to("Patient", key),
        "date": person.consented_on.isoformat(),
        "decision": "permit",
        "provision": [{"purpose": purposes}],
    }


def _specimen(sample: OutSample, site: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "resourceType": "Specimen",
        "id": _id(f"{site}.{sample.code}"),
        "identifier": [_identifier(f"{site}:sample", sample.code)],
        "status": "available" if sample.is_there else "unavailable",
        "type": {"text": sample.material},
        "subject": _to("Patient", _id(f"{site}.{sample.participant}")),
    }
    if sample.collected_at is not None:
        told["collection"] = {"collectedDateTime": sample.collected_at.isoformat()}
    if sample.parent:
        told["parent"] = [_to("Specimen", _id(f"{site}.{sample.parent}"))]
    return told


def _address(kind: str, key: str) -> str:
    return f"{_CODE_SYSTEM}:{kind}:{key}"


def _to(kind: str, key: str) -> dict[str, str]:
    """By its whole address: in a bundle from no server, a relative one leads nowhere."""
    return {"reference": _address(kind, key)}


def _identifier(system: str, value: str) -> dict[str, str]:
    return {"system": f"{_CODE_SYSTEM}:{system}", "value": value}


def _id(text: str) -> str:
    """An id as FHIR allows one; other letters are written by their number, so that two stay two."""
    return re.sub(r"[^A-Za-z0-9.]", lambda found: f"-{ord(found[0]):x}-", text)[:64]
