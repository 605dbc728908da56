"""Read the locked packages for one device architecture."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement

from deeplens.runtime.errors import RuntimeBuildError
from deeplens.runtime.targets import Target

_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


@dataclass(frozen=True)
class Locked:
    """A pinned distribution, with the SHA-256 of each of its files."""

    name: str
    version: str
    hashes: tuple[str, ...]

    def line(self) -> str:
        """Return the distribution as a line of a requirements file."""
        return " ".join(
            [f"{self.name}=={self.version}", *(f"--hash=sha256:{digest}" for digest in self.hashes)]
        )


def locked_for(lock: Path, target: Target) -> list[Locked]:
    """Return the packages for a target from a lock of `uv pip compile --universal`.

    Raises:
        RuntimeBuildError: the file cannot be read, or a line is not an exact pin with hashes.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise RuntimeBuildError(f"{lock}: cannot be read: {error.strerror}") from None
    return sorted(_pins(lock, text, target), key=lambda package: package.name)


def _pins(lock: Path, text: str, target: Target) -> Iterator[Locked]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        pin = entry.partition("--hash")[0].strip()
        if not pin:
            continue
        try:
            requirement = Requirement(pin)
        except InvalidRequirement:
            raise RuntimeBuildError(f"{lock}: {pin!r} is not a valid requirement") from None
        hashes = tuple(_HASH.findall(entry))
        versions = [
            specifier.version for specifier in requirement.specifier if specifier.operator == "=="
        ]
        if len(versions) != 1 or not hashes:
            raise RuntimeBuildError(
                f"{lock}: {pin!r} is not pinned with '==' and a SHA-256; write it with `make lock`"
            )
        if requirement.marker is None or requirement.marker.evaluate(dict(target.markers)):
            yield Locked(requirement.name, versions[0], hashes)
