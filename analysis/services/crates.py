"""A published run as an RO-Crate: its files, and who made them from what, after Process Run Crate.

The profile is https://w3id.org/ro/wfrun/process/0.5: an action for the run and one for each step,
with what it read (object), what computed it (instrument) and what came out (result).
"""

from __future__ import annotations

import hashlib
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rocrate.model.contextentity import ContextEntity
from rocrate.rocrate import ROCrate

from analysis.models import Run
from analysis.services import release
from analysis.services.crate_contents import PLAN_FILE, facts_of, files_of

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser

    from cohorts.models import User

PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
# Gives `sha256` its meaning; the two counts below are this platform's own words.
CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
TERMS = {
    name: f"https://w3id.org/ro/terms/hikiproject#{name}"
    for name in ("piecesComputed", "piecesReused")
}
MEDIA = {".csv": "text/csv", ".json": "application/json"}
SNAPSHOT, PROGRAM, STUDY = "#snapshot", "#hikiproject", "#study"


@dataclass(frozen=True)
class StepFiles:
    """A step of the pipeline: its kinds of pieces, and the files that it reads and makes."""

    kinds: Sequence[str] = ()
    reads: Sequence[str] = ()
    makes: Sequence[str] = ()


STEPS: Mapping[str, StepFiles] = {
    "preparing values": StepFiles(kinds=["repeats"], makes=["run.json"]),
    "site effects": StepFiles(kinds=["site effects"], makes=["effects.csv"]),
    "pooling": StepFiles(kinds=["pooled"], reads=["effects.csv"], makes=["pooled.csv"]),
    "permuting within sites": StepFiles(
        kinds=["permutations"], reads=["effects.csv"], makes=["pooled.csv"]
    ),
    "moderated effects": StepFiles(
        kinds=["moderated effects"], reads=["effects.csv"], makes=["moderated.csv"]
    ),
    "one model over all sites": StepFiles(
        kinds=["one stage"], reads=["pooled.csv"], makes=["one_stage.csv"]
    ),
    "sensitivity grid": StepFiles(
        kinds=["sensitivity", "pooled sensitivity"], makes=["sensitivity.csv"]
    ),
    "harmonising": StepFiles(
        kinds=["harmonisation"], makes=["harmonisation.json", "handling.json"]
    ),
    "classifying, each site left out": StepFiles(
        kinds=["forest", "left-out site", "forest at its site"], makes=["classifier.json"]
    ),
    "classifiers, settings chosen inside": StepFiles(
        kinds=["inner fold", "judged site"], makes=["nested.json"]
    ),
    "a frozen model at other sites": StepFiles(
        kinds=["frozen model", "transport"], makes=["transport.json"]
    ),
    "comparing language versions": StepFiles(kinds=["languages"], makes=["languages.json"]),
    "predicting severity": StepFiles(kinds=["severity"], makes=["severity.json"]),
    "judging the claims": StepFiles(
        reads=["effects.csv", "classifier.json", "severity.json", "handling.json"],
        makes=["claims.json"],
    ),
}
"""By the names that the pipeline gives its steps; a plan need not ask for all of them."""


def write_folder(run: Run, folder: Path, user: User | AnonymousUser | None = None) -> None:
    """The crate as files in ``folder``; ``user`` None is the operator."""
    files = files_of(run, user)
    # How long a step took tells what was computed anew, and that can tell for whom.
    timed = user is None or release.sees_everything(user)
    _described(run, facts_of(run, user), files, timed=timed).write(folder)


def zipped(run: Run, user: User | AnonymousUser) -> bytes:
    """The crate as one file: the same bytes as long as this person may see the same."""
    moment = (run.published_at or run.queued_at).timetuple()[:6]
    buffer = BytesIO()
    with (
        tempfile.TemporaryDirectory(prefix="crate-") as folder,
        zipfile.ZipFile(buffer, "w", compression=zipfile.ZIP_DEFLATED) as archive,
    ):
        write_folder(run, Path(folder), user)
        for path in sorted(Path(folder).iterdir()):
            entry = zipfile.ZipInfo(path.name, date_time=moment)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def _described(
    run: Run, facts: Mapping[str, Any], files: Mapping[str, bytes], *, timed: bool
) -> ROCrate:
    crate = ROCrate(version="1.1")
    crate.metadata.extra_contexts.append(CONTEXT)
    crate.metadata.extra_terms.update(TERMS)
    _add_root(crate, run, facts)
    for name, content in files.items():
        crate.add_file(
            BytesIO(content),
            name,
            properties={
                "name": name,
                "encodingFormat": MEDIA[Path(name).suffix],
                "contentSize": str(len(content)),
                "sha256": hashlib.sha256(content).hexdigest(),
            },
        )
    _add_sources(crate, run, facts)
    steps = _step_actions(crate, run, facts, files, timed=timed)
    crate.root_dataset["mentions"] = [_run_action(crate, run, files), *steps]
    return crate


def _add_root(crate: ROCrate, run: Run, facts: Mapping[str, Any]) -> None:
    crate.name = f"Run {run.pk} of the analysis plan {run.plan.name}, version {run.plan.version}"
    said = [f"Results of the study {run.plan.study.title} at one moment of its data."]
    said += [facts[name]["words"] for name in ("preregistered", "departure") if facts[name]]
    if "release_rules" in facts:
        said.append(
            f"Numbers obey release rules {facts['release_rules']} "
            f"with at least {facts['disclosure_k']} people."
        )
    crate.description = " ".join(said)
    crate.datePublished = run.published_at
    profile = {"@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"}
    crate.root_dataset["conformsTo"] = _context(crate, PROFILE, profile)
    terms = {
        "@type": "CreativeWork",
        "name": "Terms of the consortium",
        "description": "Use is bound by the consents of the participants and the agreement of the "
        "consortium.",
    }
    crate.license = _context(crate, "#terms", terms)


def _add_sources(crate: ROCrate, run: Run, facts: Mapping[str, Any]) -> None:
    """The program with its libraries, the data's digest, and the study on whose behalf it ran."""
    libraries = [
        _context(
            crate,
            f"#library-{name}",
            {"@type": "SoftwareApplication", "name": name, "softwareVersion": version},
        )
        for name, version in sorted(facts["libraries"].items())
    ]
    program = {
        "@type": "SoftwareApplication",
        "name": "hikiproject",
        "softwareVersion": facts["code_version"],
        "description": "The version is the SHA-256 of the source of all that computes a result.",
    }
    _context(crate, PROGRAM, program)["softwareRequirements"] = libraries
    snapshot = {
        "@type": "PropertyValue",
        "name": "Snapshot of the data: SHA-256 of what was lawful and accepted",
        "value": facts["snapshot_digest"],
    }
    _context(crate, SNAPSHOT, snapshot)
    _context(crate, STUDY, {"@type": "Organization", "name": run.plan.study.title})


def _context(crate: ROCrate, name: str, properties: Mapping[str, Any]) -> ContextEntity:
    return crate.add(ContextEntity(crate, name, properties=dict(properties)))


def _run_action(crate: ROCrate, run: Run, files: Mapping[str, bytes]) -> ContextEntity:
    more = {
        "name": f"Run {run.pk}",
        "description": "All steps of the plan, from the snapshot to the verdicts.",
        "identifier": run.key,
        **_times(run.started_at, run.published_at),
    }
    made = [name for name in files if name != PLAN_FILE]
    return _action(crate, f"#run-{run.pk}", [], made, more)


def _step_actions(
    crate: ROCrate,
    run: Run,
    facts: Mapping[str, Any],
    files: Mapping[str, bytes],
    *,
    timed: bool,
) -> list[ContextEntity]:
    """In their order; whose pieces were taken from earlier runs is told where the facts tell it."""
    began = [(str(name), float(str(seconds))) for name, seconds in run.steps]
    ends = [*(seconds for _, seconds in began), None][1:]
    tallies = {tally["step"]: tally for tally in facts["reused"]}
    actions = []
    for number, ((name, start), end) in enumerate(zip(began, ends, strict=True), start=1):
        step = STEPS.get(name, StepFiles())  # an older program had other steps
        more: dict[str, Any] = {"name": name.capitalize()}
        if timed:
            more |= _times(_at(run, start), _at(run, end))
        told = [tallies[kind] for kind in step.kinds if kind in tallies]
        if told:
            more["piecesComputed"] = sum(tally["computed"] for tally in told)
            more["piecesReused"] = sum(tally["reused"] for tally in told)
        made = [each for each in step.makes if each in files]
        actions.append(_action(crate, f"#step-{number}", step.reads, made, more))
    return actions


def _action(
    crate: ROCrate, name: str, reads: Sequence[str], makes: Sequence[str], more: Mapping[str, Any]
) -> ContextEntity:
    return crate.add_action(
        crate.get(PROGRAM),
        name,
        object=[crate.get(each) for each in (PLAN_FILE, SNAPSHOT, *reads) if crate.get(each)],
        result=[crate.get(each) for each in makes],
        properties={
            **more,
            "actionStatus": "http://schema.org/CompletedActionStatus",
            "agent": {"@id": STUDY},
        },
    )


def _at(run: Run, seconds: float | None) -> datetime | None:
    if seconds is None:
        return run.published_at
    return run.started_at + timedelta(seconds=seconds) if run.started_at else None


def _times(start: datetime | None, end: datetime | None) -> dict[str, str]:
    named = {"startTime": start, "endTime": end}
    return {name: moment.isoformat() for name, moment in named.items() if moment}
