"""The container images and model archives that the emulator supports."""

import io
import re
import tarfile
import zlib
from typing import Any

_REPOSITORY = re.compile(
    r"[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/(?P<repository>[\w./-]+)(:[\w.-]+)?"
)
_FRAMEWORKS = {"tensorflow-inference": "tensorflow", "mxnet-inference": "mxnet"}
_MXNET_FILES = ("model-symbol.json", "model-0000.params", "model-shapes.json")


class UnusableModel(Exception):  # noqa: N818 - the name describes an event
    """Raised if a model cannot be hosted; the message is the FailureReason of the endpoint."""


def framework_of(container: dict[str, Any]) -> str:
    """Return the framework of a container definition, which its image determines.

    Raises:
        UnusableModel: the image is not one of AWS' TensorFlow or MXNet images.
    """
    image = str(container.get("Image", ""))
    match = _REPOSITORY.fullmatch(image)
    framework = _FRAMEWORKS.get(match["repository"]) if match else None
    if framework is None:
        raise UnusableModel(
            f"image {image!r} is not supported: expected AWS' image tensorflow-inference or "
            "mxnet-inference"
        )
    return framework


def location_of(container: dict[str, Any]) -> tuple[str, str]:
    """Return the bucket and key of a container definition's archive.

    Raises:
        UnusableModel: the URL is missing, or does not refer to an archive in S3.
    """
    url = str(container.get("ModelDataUrl", ""))
    match = re.fullmatch(r"s3://([^/]+)/(.+\.tar\.gz)", url)
    if match is None:
        raise UnusableModel(f"ModelDataUrl {url!r} is not valid: expected s3://bucket/key.tar.gz")
    return match[1], match[2]


def check_mxnet(content: bytes) -> None:
    """Check that an archive contains the files that MXNet's container loads.

    Raises:
        UnusableModel: the archive cannot be read, or a file is missing.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
            names = {member.name.removeprefix("./") for member in archive}
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise UnusableModel(f"the model's archive cannot be read: {error}") from None
    missing = [name for name in _MXNET_FILES if name not in names]
    if missing:
        raise UnusableModel(f"the model's archive lacks {', '.join(missing)}")
