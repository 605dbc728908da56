"""The code of SageMaker's training container: the project's sources as `sourcedir.tar.gz`."""

from functools import cache

from stacks.constructs.archives import ROOT, shared, sources, tar_archive
from stacks.constructs.file_assets import StagedFile

# Packages that a job adds to AWS' TensorFlow training container. The packages of the container
# determine the versions.
_REQUIREMENTS = "click\njsonschema\nopencv-python-headless\npillow\n"
ENTRY_POINT = "train_headpose.py"
_TRAIN = (
    '"""Begin the training job."""\n\n'
    "from model_tools.samples.headpose.sagemaker import main\n\nmain()\n"
)


@cache
def training_code() -> StagedFile:
    """Pack the project's sources for training jobs."""
    return tar_archive(
        "sourcedir.tar.gz",
        {ENTRY_POINT: _TRAIN.encode(), "requirements.txt": _REQUIREMENTS.encode()}
        | sources(ROOT, "model_tools")
        | shared("artifact", "printable", "signatures", "vision"),
    )
