"""Clients of the emulator, and the secrets of its accounts."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from local_aws.process.endpoint import secret_access_key


def secret(endpoint: Path, account: str) -> str:
    """Return the secret access key of an account, by the running emulator's endpoint.json."""
    return secret_access_key(json.loads(endpoint.read_text(encoding="utf-8"))["root_key"], account)


def client(service: str, endpoint: Path, account: str, region: str = "eu-central-1") -> Any:
    """Return the client of a service in an account, by the running emulator's endpoint.json.

    Each client is made once: it takes longer than a request, and tests ask while they wait.
    """
    url = json.loads(endpoint.read_text(encoding="utf-8"))["endpoint_url"]
    return _client(service, url, region, account, secret(endpoint, account))


@cache
def _client(service: str, url: str, region: str, account: str, secret: str) -> Any:
    connect: Any = boto3.client  # its stub wants a literal name
    return connect(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key=secret,
    )
