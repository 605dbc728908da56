"""What the lock says for one kind of device."""

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
    """One distribution, pinned, with the SHA-256 of every file that may be it."""

    name: str
    version: str
    hashes: tuple[str, ...]

    def line(self) -> str:
        """Return it as a line of a requirements file."""
        return " ".join(
            [f"{self.name}=={self.version}", *(f"--hash=sha256:{one}" for one in self.hashes)]
        )


def locked_for(lock: Path, target: Target) -> list[Locked]:
    """Read a lock file of `uv pip compile --universal --generate-hashes`; keep what the target has.

    Raises:
        RuntimeBuildError: the file is absent, or a line is no exact pin with hashes.
    """
    try:
        text = lock.read_text(encoding="utf-8")
    except OSError as error:
        raise RuntimeBuildError(f"{lock}: cannot be read: {error.strerror}") from None
    return sorted(_pins(lock, text, target), key=lambda one: one.name)


def _pins(lock: Path, text: str, target: Target) -> Iterator[Locked]:
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        pin = entry.partition("--hash")[0].strip()
        if not pin:
            continue
        try:
            requirement = Requirement(pin)
        except InvalidRequirement:
            raise RuntimeBuildError(f"{lock}: {pin!r} is no requirement") from None
        hashes = tuple(_HASH.findall(entry))
        versions = [one.version for one in requirement.specifier if one.operator == "=="]
        if len(versions) != 1 or not hashes:
            raise RuntimeBuildError(
                f"{lock}: {pin!r} is not pinned with '==' and a SHA-256; write it by `make lock`"
            )
        if requirement.marker is None or requirement.marker.evaluate(dict(target.markers)):
            yield Locked(requirement.name, versions[0], hashes)
