"""A bucket that speaks S3 and is not waited for when it is silent."""

from __future__ import annotations

from typing import Any

from botocore.config import Config
from storages.backends.s3 import S3Storage

CONNECT_SECONDS, ANSWER_SECONDS, TRIES = 2, 10, 2


class Bucket(S3Storage):  # type: ignore[misc]  # an untyped library
    """A run whose bucket is away is computed by one worker alone: botocore would wait minutes."""

    def get_default_settings(self) -> dict[str, Any]:
        patience = Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=ANSWER_SECONDS,
            retries={"total_max_attempts": TRIES, "mode": "standard"},
        )
        return {**super().get_default_settings(), "client_config": patience}
