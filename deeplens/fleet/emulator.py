"""A session with the emulator of a checkout (`deeplens local up`)."""

import hashlib
import hmac
import json
import os
from pathlib import Path

import boto3

from deeplens.config import EnvironmentConfig
from deeplens.fleet.errors import EmulatorNotRunningError

ENDPOINT = Path(".local") / "aws" / "endpoint.json"


def emulator_session(environment: EnvironmentConfig, endpoint: Path = ENDPOINT) -> boto3.Session:
    """Return a session of the environment's account on the emulator.

    Every boto3 client that this process creates afterwards connects to the emulator.

    Raises:
        EmulatorNotRunningError: the emulator is not running.
    """
    url, root_key = _read(endpoint, "endpoint_url"), _read(endpoint, "root_key")
    os.environ["AWS_ENDPOINT_URL"] = url
    # The access key is the account id; the secret is derived from the root key, which changes with
    # each start of the emulator.
    secret = hmac.new(root_key.encode(), environment.account.encode(), hashlib.sha256)
    return boto3.Session(
        aws_access_key_id=environment.account,
        aws_secret_access_key=secret.hexdigest(),
        region_name=environment.region,
    )


def emulator_root_ca(endpoint: Path = ENDPOINT) -> Path:
    """Return the CA certificate file for the endpoints of the emulator.

    Raises:
        EmulatorNotRunningError: the emulator is not running.
    """
    return Path(_read(endpoint, "ca_file"))


def _read(endpoint: Path, key: str) -> str:
    try:
        return str(json.loads(endpoint.read_text(encoding="utf-8"))[key])
    except (OSError, ValueError, KeyError):
        raise EmulatorNotRunningError(
            f"{endpoint}: the emulator is not running; `deeplens local up` starts it"
        ) from None
