"""The paths of a core device: Greengrass' files and folders, below a root folder."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self, get_args

from local_aws.core_device.errors import NotProvisioned

CoreRuntime = Literal["classic", "lite"]


@dataclass(frozen=True)
class Identity:
    """The identity of a core device in AWS IoT, stored in the core's configuration file."""

    thing: str
    thing_group: str
    account: str
    region: str
    role_alias: str
    certificate_id: str
    # `core_runtime` is the core software. Nucleus lite requires `posix_user`, the user of its
    # components.
    core_runtime: CoreRuntime = "classic"
    posix_user: str = "gg_component:gg_component"


@dataclass(frozen=True)
class Layout:
    """The paths of one core device; `root` represents the root of the device's file system."""

    root: Path

    @property
    def greengrass(self) -> Path:
        """Return the folder that represents /greengrass/v2."""
        return self.root / "greengrass" / "v2"

    @property
    def config(self) -> Path:
        """Return the path of the configuration file."""
        return self.greengrass / "config" / "effectiveConfig.json"

    @property
    def certificate(self) -> Path:
        """Return the path of the device certificate."""
        return self.greengrass / "thingCert.crt"

    @property
    def private_key(self) -> Path:
        """Return the path of the private key; only its owner can read the file."""
        return self.greengrass / "privKey.key"

    @property
    def current(self) -> Path:
        """Return the path of the record from which the next start restores the components."""
        return self.greengrass / "config" / "current.json"

    @property
    def health_sequence(self) -> Path:
        """Return the path of the file with the sequence number of the next health message.

        The file does not exist before the first message.
        """
        return self.greengrass / "config" / "healthSequence"

    @property
    def recipes(self) -> Path:
        """Return the folder that contains the recipes of all component versions."""
        return self.greengrass / "packages" / "recipes"

    @property
    def stored_versions(self) -> tuple[Path, Path]:
        """Return the folders whose members are `<component>/<version>`."""
        packages = self.greengrass / "packages"
        return packages / "artifacts", packages / "artifacts-unarchived"

    def artifacts(self, name: str, version: str) -> Path:
        """Return the download folder of a component version."""
        return self.greengrass / "packages" / "artifacts" / name / version

    def unarchived(self, name: str, version: str) -> Path:
        """Return the folder for the unpacked archives of a component version."""
        return self.greengrass / "packages" / "artifacts-unarchived" / name / version

    def work(self, name: str) -> Path:
        """Return the working directory of a component."""
        return self.greengrass / "work" / name

    def log(self, name: str) -> Path:
        """Return the path of the log, which contains the component's output."""
        return self.greengrass / "logs" / f"{name}.log"

    def read_identity(self) -> Identity:
        """Return the identity in the configuration file.

        Raises:
            NotProvisioned: the file is missing or does not contain a valid identity.
        """
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
        """Write the identity to the configuration file."""
        self.config.parent.mkdir(parents=True, exist_ok=True)
        self.config.write_text(json.dumps(asdict(identity), indent=1), encoding="utf-8")

    @classmethod
    def of(cls, thing: str, cores: Path) -> Self:
        """Return the layout of a device in the folder that contains all cores."""
        return cls((cores / thing).resolve())
