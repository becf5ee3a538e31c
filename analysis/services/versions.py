"""What a result depends on beside its data: the code that computes it, and the libraries."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from threadpoolctl import threadpool_info

LIBRARIES = ("numpy", "scipy", "pandas", "scikit-learn")
COMPUTING = (
    *("stats/*.py", "steps/*.py", "frames.py", "plans.py", "packing.py", "pipeline.py"),
    *("findings.py", "model_verdicts.py", "verdicts.py"),
)


@cache
def code_version() -> str:
    """SHA-256 over the source of everything that computes a result."""
    folder = Path(settings.BASE_DIR) / "analysis"
    digest = hashlib.sha256()
    sources = [path for pattern in COMPUTING for path in folder.glob(pattern)]
    for source in sorted(sources):
        digest.update(source.relative_to(folder).as_posix().encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()


@cache
def library_versions() -> dict[str, str]:
    """What a run's last bits depend on: versions, and the kernels that OpenBLAS has chosen."""
    found = {name: importlib.metadata.version(name) for name in LIBRARIES}
    kernels = {str(library["architecture"]) for library in _loaded("openblas")}
    return found | ({"OPENBLAS_CORETYPE": " and ".join(sorted(kernels))} if kernels else {})


def steps_version() -> str:
    """What else than its inputs a piece's result depends on."""
    return json.dumps([code_version(), library_versions()], sort_keys=True)


def _loaded(kind: str) -> list[dict[str, Any]]:
    return [library for library in threadpool_info() if library["internal_api"] == kind]
