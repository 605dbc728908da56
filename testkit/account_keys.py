"""boto3 clients for the emulator, and the secret access keys of its accounts."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import boto3

from local_aws.process.endpoint import secret_access_key


def secret(endpoint: Path, account: str) -> str:
    """Return the secret access key of an account, from the endpoint.json of a running emulator."""
    return secret_access_key(json.loads(endpoint.read_text(encoding="utf-8"))["root_key"], account)


def client(service: str, endpoint: Path, account: str, region: str = "eu-central-1") -> Any:
    """Return a boto3 client for a service in an account of the emulator described by `endpoint`.

    Clients are cached, because creating a client takes longer than a request.
    """
    url = json.loads(endpoint.read_text(encoding="utf-8"))["endpoint_url"]
    return _client(service, url, region, account, secret(endpoint, account))


@cache
def _client(service: str, url: str, region: str, account: str, secret: str) -> Any:
    connect: Any = boto3.client  # boto3's stub requires a literal name
    return connect(
        service,
        endpoint_url=url,
        region_name=region,
        aws_access_key_id=account,
        aws_secret_access_key=secret,
    )
