"""The files and folders of a core device: those of Greengrass, below a root folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self, get_args

from local_aws.core_device.errors import NotProvisioned

CoreRuntime = Literal["classic", "lite"]


@dataclass(frozen=True)
class Identity:
    """The identity of the device and its cloud, stored in the core's configuration file."""

    thing: str
    thing_group: str
    account: str
    region: str
    role_alias: str
    certificate_id: str
    # The core software, and the user of its components, which nucleus lite requires.
    core_runtime: CoreRuntime = "classic"
    posix_user: str = "gg_component:gg_component"


@dataclass(frozen=True)
class Layout:
    """Paths of one core device; `root` represents the root of the device's file system."""

    root: Path

    @property
    def greengrass(self) -> Path:
        """/greengrass/v2 of the device."""
        return self.root / "greengrass" / "v2"

    @property
    def config(self) -> Path:
        """The configuration file."""
        return self.greengrass / "config" / "effectiveConfig.json"

    @property
    def certificate(self) -> Path:
        """The device certificate."""
        return self.greengrass / "thingCert.crt"

    @property
    def private_key(self) -> Path:
        """The device's private key; readable by its owner only."""
        return self.greengrass / "privKey.key"

    @property
    def current(self) -> Path:
        """The record of the running components, for the next start."""
        return self.greengrass / "config" / "current.json"

    @property
    def health_sequence(self) -> Path:
        """The sequence number of the next health message; absent before the first message."""
        return self.greengrass / "config" / "healthSequence"

    @property
    def recipes(self) -> Path:
        """The recipes of all component versions."""
        return self.greengrass / "packages" / "recipes"

    @property
    def stored_versions(self) -> tuple[Path, Path]:
        """The folders whose members are `<component>/<version>`."""
        packages = self.greengrass / "packages"
        return packages / "artifacts", packages / "artifacts-unarchived"

    def artifacts(self, name: str, version: str) -> Path:
        """The folder for downloads of a component version."""
        return self.greengrass / "packages" / "artifacts" / name / version

    def unarchived(self, name: str, version: str) -> Path:
        """The folder for unpacked archives of a component version."""
        return self.greengrass / "packages" / "artifacts-unarchived" / name / version

    def work(self, name: str) -> Path:
        """The working directory of a component."""
        return self.greengrass / "work" / name

    def log(self, name: str) -> Path:
        """The file with the output of a component."""
        return self.greengrass / "logs" / f"{name}.log"

    def read_identity(self) -> Identity:
        """Return the identity; raise `NotProvisioned` if there is none."""
        try:
            identity = Identity(**json.loads(self.config.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            raise NotProvisioned(
                f"{self.root} is not the folder of a core device; create it with "
                "`local_aws core provision`"
            ) from None
        if identity.core_runtime not in get_args(CoreRuntime):
            raise NotProvisioned(
                f"{self.config}: {identity.core_runtime!r} is not a core software: expected "
                f"{' or '.join(get_args(CoreRuntime))}; run `local_aws core provision` again"
            )
        return identity

    def write_identity(self, identity: Identity) -> None:
        """Write the identity."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(json.dumps(asdict(identity), indent=1), encoding="utf-8")

    @classmethod
    def of(cls, thing: str, cores: Path) -> Self:
        """Return the layout of a thing below the folder of all cores."""
        return cls((cores / thing).resolve())
