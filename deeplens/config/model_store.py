"""`[model]` and `[model_store]`: the pinned artifact, and the bucket that stores it."""

import re
from typing import Annotated

from pydantic import Field, field_validator

from deeplens.config.base import ConfigSection

_LONGEST_BUCKET_NAME = 63
# Suffixes that S3 reserves for aliases of access points and Object Lambda access points, for
# directory buckets and for table buckets.
_RESERVED_SUFFIX = r"(-s3alias|--ol-s3|--x-s3|--table-s3)$"
_BUCKET_NAME = rf"(?!.*{_RESERVED_SUFFIX})deeplens-[a-z0-9-]{{0,53}}[a-z0-9]"


class ModelPin(ConfigSection):
    """The artifact that the environment runs, identified by its model's name and its SHA-256."""

    name: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", description="model name of the artifact")
    ]
    digest: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256 of the artifact; `deeplens release pin` writes it",
        ),
    ]


class ModelStoreConfig(ConfigSection):
    """The bucket from which cameras download artifacts."""

    bucket_name: Annotated[
        str,
        Field(
            description="starts with `deeplens-`, as DeepLens requires; unique in all of AWS",
            json_schema_extra={"pattern": f"^{_BUCKET_NAME}$"},
        ),
    ]
    termination_protection: Annotated[
        bool, Field(description="protect the stack with the bucket and its key from deletion")
    ] = True
    access_log_retention_days: Annotated[
        int, Field(ge=1, le=3650, description="retention of the S3 access logs")
    ] = 90
    noncurrent_version_days: Annotated[
        int,
        Field(
            ge=1,
            le=3650,
            description="retention of replaced versions below `datasets/` and `headpose/`; "
            "objects below `components/` never expire",
        ),
    ] = 90
    object_lock_days: Annotated[
        int,
        Field(
            ge=0,
            le=3650,
            description="S3 Object Lock in governance mode for each new object; 0 is off. "
            "Decide before the first deploy: S3 cannot disable it on a bucket",
        ),
    ] = 0

    @field_validator("bucket_name")
    @classmethod
    def _deeplens_bucket(cls, value: str) -> str:
        if not _is_deeplens_bucket(value):
            raise ValueError(
                "the name of a bucket for DeepLens starts with 'deeplens-' and has 10 to 63 "
                "lower-case letters, digits and hyphens, for example "
                f"'{suggest_bucket_name(value)}'"
            )
        return value


def suggest_bucket_name(given: str) -> str:
    """Return a valid bucket name that is similar to `given`."""
    words = re.sub(r"[^a-z0-9-]+", "-", given.lower().removeprefix("deeplens")).strip("-")
    name = f"deeplens-{words or 'models'}"[:_LONGEST_BUCKET_NAME].rstrip("-")
    while re.search(_RESERVED_SUFFIX, name):
        name = re.sub(_RESERVED_SUFFIX, "", name).rstrip("-")
    return name if _is_deeplens_bucket(name) else "deeplens-models"


def _is_deeplens_bucket(name: str) -> bool:
    return bool(re.fullmatch(_BUCKET_NAME, name))
