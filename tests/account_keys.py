"""Secrets of the emulator's accounts, as its clients read them."""

import json
from pathlib import Path

from local_aws.credentials import secret_access_key


def secret(endpoint: Path, account: str) -> str:
    """Return the secret access key of an account, by the running emulator's endpoint.json."""
    return secret_access_key(json.loads(endpoint.read_text(encoding="utf-8"))["root_key"], account)
