"""Inputs of parts in the storage that all workers share; private, and gone with their run."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError
from django.core.files.base import ContentFile
from django.core.files.storage import storages

from analysis.models import Run
from analysis.packing import Tree, digest_of_bytes, pack_leaf, unpack_leaf

logger = logging.getLogger(__name__)

STORAGE = "artefacts"


class StorageAway(Exception):
    """The storage that all workers share does not answer, or refuses."""


@contextmanager
def _reached() -> Iterator[None]:
    """A folder and a bucket fail in words of their own."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, Boto3Error, BotoCoreError, ClientError) as error:
        raise StorageAway(f"{type(error).__name__}: {error}") from error


def folder_of(run_id: uuid.UUID, token: uuid.UUID) -> str:
    return f"{run_id}/{token}"


@_reached()
def save(folder: str, digest: str, leaf: Tree) -> str:
    """Store an array or frame under a name made of its digest; the name. Raises StorageAway."""
    name = f"{folder}/{digest_of_bytes(digest.encode())}"
    storages[STORAGE].save(name, ContentFile(pack_leaf(leaf)))
    return name


@_reached()
def load(name: str) -> Tree:
    """The array or frame of that name. FileNotFoundError where its run has ended; StorageAway."""
    with storages[STORAGE].open(name) as file:
        return unpack_leaf(file.read())


@_reached()
def remove(folder: str) -> None:
    """Delete a folder and all that is in it; nothing where it is gone already. StorageAway."""
    try:
        folders, names = storages[STORAGE].listdir(folder)
    except FileNotFoundError:
        return
    for name in names:
        storages[STORAGE].delete(f"{folder}/{name}")
    for inner in folders:
        remove(f"{folder}/{inner}")
    storages[STORAGE].delete(folder)


@_reached()
def remove_left_over() -> int:
    """Delete what runs left behind that no longer compute; how many folders. StorageAway."""
    try:
        runs, _ = storages[STORAGE].listdir("")
    except FileNotFoundError:
        return 0
    found = {f"{run}/{token}" for run in runs for token in storages[STORAGE].listdir(run)[0]}
    # Looked up after the listing: whoever starts now has a folder that is not listed.
    at_work = Run.objects.filter(state=Run.State.RUNNING).values_list("pk", "token")
    over = found - {folder_of(run_id, token) for run_id, token in at_work if token}
    for folder in over:
        remove(folder)
    owed = Run.objects.under_way().values_list("pk", flat=True)
    _remove_empty(set(runs) - {str(run_id) for run_id in owed})
    return len(over)


def _remove_empty(folders: set[str]) -> None:
    """Delete the folders of runs that have ended; each run would leave one for ever."""
    for folder in folders:
        inner, names = storages[STORAGE].listdir(folder)
        if inner or names:
            continue
        try:
            storages[STORAGE].delete(folder)
        except OSError as error:  # taken up again in this very moment: it goes next time
            logger.info("%s is in use again: %s", folder, error)
