"""Environments with an endpoint: minimal archives, and sections for each option."""

import io
import tarfile
from pathlib import Path

from tests.synth.synthesis import ROOT

TENSORFLOW_FILES = ("export/Servo/1/saved_model.pb", "export/Servo/1/variables/variables.index")
MXNET_FILES = ("model-symbol.json", "model-0000.params", "model-shapes.json")

WHOLE = """
[hosting]
enabled = true
data_capture_percent = 20
subnets = ["subnet-0123456789abcdef0"]
security_groups = ["sg-0123456789abcdef0"]

[hosting.scaling]
maximum_instances = 3
invocations_per_minute = 600

[[hosting.variants]]
name = "blue"
model_data = "{folder}/tensorflow.tar.gz"
framework = "tensorflow"
framework_version = "2.19"
weight = 0.9

[[hosting.variants]]
name = "green"
model_data = "{folder}/mxnet.tar.gz"
framework = "mxnet"
framework_version = "1.9"
weight = 0.1
"""

SERVERLESS = """
[hosting]
enabled = true
mode = "serverless"

[[hosting.variants]]
name = "only"
model_data = "{folder}/tensorflow.tar.gz"
framework = "tensorflow"
framework_version = "2.18"
memory_mib = 3072
"""


def archive(file: Path, *names: str) -> Path:
    """Write a gzipped tar archive whose members have these names."""
    with tarfile.open(file, "w:gz") as made:
        for name in names:
            member = tarfile.TarInfo(name)
            member.size = 1
            made.addfile(member, io.BytesIO(b"x"))
    return file


def archive_files(folder: Path) -> None:
    """Write the archives to which `WHOLE` and `SERVERLESS` refer."""
    archive(folder / "tensorflow.tar.gz", *TENSORFLOW_FILES)
    archive(folder / "mxnet.tar.gz", *MXNET_FILES)


def with_hosting(folder: Path) -> Path:
    """Write dev with all endpoint options, staging serverless, production without endpoint.

    Returns the folder of the environment files.
    """
    environments = folder / "environments"
    environments.mkdir()
    archive_files(folder)
    for file in (ROOT / "environments").glob("*.toml"):
        more = {"dev": WHOLE, "staging": SERVERLESS}.get(file.stem, "").format(folder=folder)
        text = file.read_text(encoding="utf-8")
        (environments / file.name).write_text(text + more, encoding="utf-8")
    return environments
