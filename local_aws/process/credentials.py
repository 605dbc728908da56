"""The secrets of the emulator's accounts, new at each start.

An account has one access key: its id is the account's number, its secret is derived from the root
key of the running emulator. `endpoint.json`, which only its owner can read, contains the root key.
"""

import hashlib
import hmac
import secrets

_ROOT_KEY_BYTES = 32


def new_root_key() -> str:
    """Return a random root key for one start of the emulator."""
    return secrets.token_hex(_ROOT_KEY_BYTES)


def secret_access_key(root_key: str, account: str) -> str:
    """Return the secret access key of an account: HMAC-SHA256 of its number, in hexadecimal."""
    return hmac.new(root_key.encode(), account.encode(), hashlib.sha256).hexdigest()
