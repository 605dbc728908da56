"""`[model]` and `[model_store]`: which artifact runs, and the bucket it comes from."""

import re
from typing import Annotated

from pydantic import Field, field_validator

from deeplens.config.base import ConfigSection

_LONGEST_BUCKET_NAME = 63
# Suffixes that S3 keeps for access points, Object Lambda, directory and table buckets.
_RESERVED_SUFFIX = r"(-s3alias|--ol-s3|--x-s3|--table-s3)$"
_BUCKET_NAME = rf"(?!.*{_RESERVED_SUFFIX})deeplens-[a-z0-9-]{{0,53}}[a-z0-9]"


class ModelPin(ConfigSection):
    """Which artifact the environment runs, by name and by the SHA-256 of its bytes."""

    name: Annotated[
        str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$", description="the artifact's model name")
    ]
    digest: Annotated[
        str,
        Field(
            pattern=r"^[0-9a-f]{64}$",
            description="SHA-256 of the artifact; `deeplens release pin` writes it",
        ),
    ]


class ModelStoreConfig(ConfigSection):
    """The bucket that cameras download from."""

    bucket_name: Annotated[
        str,
        Field(
            description="starts with `deeplens-`, as DeepLens requires; unique in all of AWS",
            json_schema_extra={"pattern": f"^{_BUCKET_NAME}$"},
        ),
    ]
    termination_protection: Annotated[
        bool, Field(description="refuse to delete the stack that holds the bucket and its key")
    ] = True
    access_log_retention_days: Annotated[
        int, Field(ge=1, le=3650, description="how long S3's access logs are kept")
    ] = 90
    noncurrent_version_days: Annotated[
        int,
        Field(
            ge=1,
            le=3650,
            description="how long replaced versions below `datasets/` and `headpose/` are kept; "
            "nothing below `components/` ever expires",
        ),
    ] = 90
    object_lock_days: Annotated[
        int,
        Field(
            ge=0,
            le=3650,
            description="S3 Object Lock in governance mode for each new object; 0 is off. "
            "Decide before the first deploy: S3 cannot take it off a bucket again",
        ),
    ] = 0

    @field_validator("bucket_name")
    @classmethod
    def _deeplens_bucket(cls, value: str) -> str:
        if not _is_deeplens_bucket(value):
            raise ValueError(
                "a bucket that DeepLens may read starts with 'deeplens-' and has 10 to 63 "
                "lower-case letters, digits and hyphens, for example "
                f"'{suggest_bucket_name(value)}'"
            )
        return value


def suggest_bucket_name(given: str) -> str:
    """Return the allowed bucket name that is nearest to what was given."""
    words = re.sub(r"[^a-z0-9-]+", "-", given.lower().removeprefix("deeplens")).strip("-")
    name = f"deeplens-{words or 'models'}"[:_LONGEST_BUCKET_NAME].rstrip("-")
    while re.search(_RESERVED_SUFFIX, name):
        name = re.sub(_RESERVED_SUFFIX, "", name).rstrip("-")
    return name if _is_deeplens_bucket(name) else "deeplens-models"


def _is_deeplens_bucket(name: str) -> bool:
    return bool(re.fullmatch(_BUCKET_NAME, name))
