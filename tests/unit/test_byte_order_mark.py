"""A byte order mark at the start of a text file has no effect."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from deeplens.config import load_delivery, load_environment, load_environments
from deeplens.releases.pin import pin_model
from deeplens.releases.signing.trust import read_public_keys
from deeplens.review.plan import SCHEMA_VERSION, plan_id, read_plan
from deeplens.review.settings import read_settings
from model_tools.artifact.infer import read_training
from model_tools.verification.expected_detections import read_expected

ROOT = Path(__file__).parents[2]
MARK = "\ufeff".encode()


def _environments(folder: Path) -> Path:
    shutil.copytree(ROOT / "environments", folder, dirs_exist_ok=True)
    return folder / "dev.toml"


def _delivery(folder: Path) -> Path:
    return Path(shutil.copy(ROOT / "deeplens/local/delivery.toml", folder))


def _json(document: Any) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        file = folder / "document.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        return file

    return write


def _plan(folder: Path) -> Path:
    content = {"schema_version": SCHEMA_VERSION, "environment": "dev"}
    return _json({**content, "id": plan_id(content)})(folder)


def _public_key(folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    file = folder / "key.pem"
    file.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return file


def _read_delivery(file: Path) -> Any:
    return load_delivery(file, load_environments(ROOT / "environments"))


@pytest.mark.parametrize(
    ("write", "read"),
    [
        (_environments, load_environment),
        (_environments, lambda file: read_settings(file.parent)["dev"]),
        (_environments, lambda file: load_environments(file.parent)),
        (_delivery, _read_delivery),
        (_json({"a.png": "cat"}), read_expected),
        (_json({"accuracy": 0.97}), read_training),
        (_plan, read_plan),
        (_public_key, lambda file: read_public_keys([str(file)])),
    ],
    ids=[
        "environment",
        "review's settings",
        "environments",
        "delivery",
        "expected",
        "training",
        "plan",
        "public key",
    ],
)
def test_a_byte_order_mark_changes_nothing(
    tmp_path: Path, write: Callable[[Path], Path], read: Callable[[Path], Any]
) -> None:
    file = write(tmp_path)
    without = read(file)
    file.write_bytes(MARK + file.read_bytes())
    assert read(file) == without


@pytest.mark.parametrize("mark", [b"", MARK])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_pin_keeps_the_mark_and_the_line_ends(
    tmp_path: Path, mark: bytes, line_end: bytes
) -> None:
    file = _environments(tmp_path)
    before = mark + file.read_bytes().replace(b"\n", line_end)
    file.write_bytes(before)
    digest = load_environment(file).model.digest
    assert pin_model(file, "shapes", "f" * 64)
    assert file.read_bytes() == before.replace(digest.encode(), b"f" * 64)
