"""What SageMaker's training container runs: the project's sources as `sourcedir.tar.gz`."""

import gzip
import hashlib
import io
import tarfile
from functools import cache
from pathlib import Path

from stacks.constructs.made_file import made_file
from stacks.constructs.staged_file import StagedFile

_ROOT = Path(__file__).resolve().parents[2]
# Where imports begin, and what is taken from there.
_SOURCES = ((_ROOT, "model_tools"), (_ROOT / "lambda_src" / "inference", "vision"))
# Beside what AWS' TensorFlow training container has; the versions are the container's concern.
_REQUIREMENTS = "click\njsonschema\nopencv-python-headless\npillow\n"
ENTRY_POINT = "train_headpose.py"
_TRAIN = (
    '"""Begin the training job."""\n\n'
    "from model_tools.samples.headpose.sagemaker import main\n\nmain()\n"
)


@cache
def training_code() -> StagedFile:
    """Pack the sources; neither times nor order nor what Python leaves beside them matter."""
    members = {
        ENTRY_POINT: _TRAIN.encode(),
        "requirements.txt": _REQUIREMENTS.encode(),
        **{
            file.relative_to(root).as_posix(): file.read_bytes()
            for root, package in _SOURCES
            for file in (root / package).rglob("*")
            if file.is_file() and "__pycache__" not in file.parts
        },
    }
    content = io.BytesIO()
    with (
        gzip.GzipFile("", "wb", fileobj=content, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for name, data in sorted(members.items()):
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    file = made_file("sourcedir.tar.gz")
    file.write_bytes(content.getvalue())
    return StagedFile(file, hashlib.sha256(content.getvalue()).hexdigest(), ".tar.gz")
