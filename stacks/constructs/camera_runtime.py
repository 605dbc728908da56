"""The recipe of the runtime component: the camera's Python environment, created offline.

A Lambda component requires the environment before it starts, so the install step of the runtime
component creates the environment. Nucleus lite limits an install step to 300 s, which a small
device may exceed. For a generic component, the runtime component therefore only contains the
archive, and the camera creates the environment at its first start.

The folder of the environment has the same name on each architecture, derived from the pins.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deeplens.config import RUNTIME_PYTHON

INSTALLER = "install_runtime.py"

_NAME_CHARACTERS = 16
# The installation takes minutes on an Atom with an SD card. The timeout is longer than a deployment
# waits for its devices. A slow device therefore finishes the installation after the deployment has
# ended, instead of failing.
_INSTALL_TIMEOUT_SECONDS = 1800
_SITE_PACKAGES = f"lib/python{RUNTIME_PYTHON}/site-packages"


@dataclass(frozen=True)
class RuntimeFolder:
    """The paths of the runtime's folders on a device, with recipe variables."""

    component: str
    name: str

    @property
    def of_camera(self) -> str:
        """The environment's folder in the working directory of a generic component."""
        return f"{{work:path}}/runtime/{self.name}"

    def archive(self, version: str) -> str:
        """Return the folder of the unpacked archive, for the recipe of another component.

        Both nuclei unpack archives below this path. The path is composed here, because nucleus lite
        has no variables of other components.
        """
        root = "{kernel:rootPath}/packages/artifacts-unarchived"
        return f"{root}/{self.component}/{version}/runtime"

    @property
    def packages(self) -> str:
        """The folder of Python packages, for the environment variables of a Lambda component."""
        return f"{{{self.component}:work:path}}/{self.name}/{_SITE_PACKAGES}"


def runtime_folder(component: str, digests: Mapping[str, str]) -> RuntimeFolder:
    """Return the runtime's folders; `digests` contains the archives' SHA-256 by architecture."""
    content = json.dumps(dict(digests), sort_keys=True)
    name = hashlib.sha256(content.encode()).hexdigest()[:_NAME_CHARACTERS]
    return RuntimeFolder(component, name)


def runtime_recipe(
    folder: RuntimeFolder, uris: Mapping[str, str], *, installs: bool
) -> dict[str, Any]:
    """Return the recipe of the runtime component without its version.

    The recipe has no manifest for other architectures, whose devices reject the deployment.

    Args:
        folder: the folder of the environment.
        uris: the URIs of the archives by architecture.
        installs: True if the install step creates the environment, False if the camera creates it.
    """
    install: str | dict[str, Any] = "true"
    if installs:
        script = f"{{artifacts:decompressedPath}}/runtime/{INSTALLER}"
        install = {
            "Script": f"python{RUNTIME_PYTHON} {script} {{work:path}}/{folder.name}",
            "Timeout": _INSTALL_TIMEOUT_SECONDS,
        }
    return {
        "RecipeFormatVersion": "2020-01-25",
        "ComponentName": folder.component,
        "ComponentType": "aws.greengrass.generic",
        "ComponentDescription": f"The camera's Python {RUNTIME_PYTHON} environment",
        "ComponentPublisher": "deeplens-tensorflow",
        "Manifests": [
            {
                "Platform": {"os": "linux", "architecture": architecture, "runtime": "*"},
                "Artifacts": [
                    {
                        "Uri": uri,
                        "Unarchive": "ZIP",
                        "Permission": {"Read": "ALL"},
                    }
                ],
                # Nucleus lite waits for the service that `run` defines before a deployment
                # succeeds.
                "Lifecycle": {"install": install, "run": "true"},
            }
            for architecture, uri in sorted(uris.items())
        ],
    }
