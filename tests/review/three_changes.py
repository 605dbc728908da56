"""Three important changes, one in each environment."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

from tests.review.conftest import Checkout

RENAMED = "deeplens-staging-renamed"

_MAIN = '\n\nif __name__ == "__main__":\n'
_WIDENED = """
    from aws_cdk import aws_iam

    path = "production/Devices/TokenExchange/Role"
    role = next(node for node in app.node.find_all() if node.node.path == path)
    role.add_to_principal_policy(
        aws_iam.PolicyStatement(actions=["s3:PutObject"], resources=["arn:aws:s3:::a-bucket/*"])
    )
"""


def make(checkout: Checkout) -> str:
    """Change dev's model and waves, staging's bucket name, and production's camera role.

    Returns:
        The SHA-256 of dev's new artifact.
    """
    digest = _next_model(checkout.root / "models" / "shapes")
    checkout.set("dev", "digest", digest)
    _add_waves(checkout.root / "environments" / "dev.toml")
    checkout.set("staging", "bucket_name", RENAMED)
    app = checkout.root / "app.py"
    text = app.read_text(encoding="utf-8")
    assert text.count(_MAIN) == 1
    app.write_text(text.replace(_MAIN, f"{_WIDENED}{_MAIN}"), encoding="utf-8")
    return digest


def _add_waves(file: Path) -> None:
    waves = "\n[[rollout.waves]]\npercent = 5\nwait_seconds = 120\nbake_seconds = 60\n"
    file.write_text(file.read_text(encoding="utf-8") + waves, encoding="utf-8")


def _next_model(models: Path) -> str:
    """Package an artifact again as version 9.9.9 with one more label; return the new digest."""
    with zipfile.ZipFile(min(models.glob("*/model.zip"))) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    labels = files["label_map.pbtxt"] + b'item {\n  name: "hexagon"\n  id: 99\n}\n'
    manifest = json.loads(files["manifest.json"])
    manifest["version"] = "9.9.9"
    manifest["files"]["label_map.pbtxt"] = {
        "bytes": len(labels),
        "sha256": hashlib.sha256(labels).hexdigest(),
    }
    manifest["parity"]["largest_absolute"] = 3.1e-6
    files |= {"label_map.pbtxt": labels, "manifest.json": json.dumps(manifest).encode()}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    digest = hashlib.sha256(packed.getvalue()).hexdigest()
    folder = models / digest
    folder.mkdir()
    (folder / "model.zip").write_bytes(packed.getvalue())
    return digest
