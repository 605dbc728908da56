"""The demo signs an artifact again if a later artifact of the model was signed."""

import base64
import json
from pathlib import Path

from deeplens.config import STATEMENT_NAME
from deeplens.local.signing import is_newest_release


def signed(models: Path, digest: str, release: int) -> Path:
    payload = json.dumps({"predicate": {"deeplens": {"release": release}}}).encode()
    statement = models / digest / STATEMENT_NAME
    statement.parent.mkdir()
    statement.write_text(
        json.dumps({"dsseEnvelope": {"payload": base64.b64encode(payload).decode()}})
    )
    return statement


def test_only_the_last_one_that_was_signed_is_the_newest(tmp_path: Path) -> None:
    first = signed(tmp_path, "a" * 64, 1)
    assert is_newest_release(first)
    second = signed(tmp_path, "b" * 64, 2)
    assert (is_newest_release(first), is_newest_release(second)) == (False, True)
