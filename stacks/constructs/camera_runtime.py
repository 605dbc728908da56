"""The recipe of the runtime component: the camera's Python environment, made without a network.

Where the environment is must be known to other components, on both nuclei and both architectures.
So its folder, below the component's own working directory, is named by what was pinned.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stacks.config import RUNTIME_PYTHON

_NAME_CHARACTERS = 16
# An Atom with an SD card takes minutes. Longer than a deploy waits: a device that installs slowly
# finishes after the deploy, and must not fail by then.
_INSTALL_TIMEOUT_SECONDS = 1800
_SITE_PACKAGES = f"lib/python{RUNTIME_PYTHON}/site-packages"


@dataclass(frozen=True)
class RuntimeFolder:
    """Where the environment is on a device, in recipe variables."""

    component: str
    name: str

    @property
    def interpreter(self) -> str:
        """For a component's own recipe: lite knows no variable of another component."""
        return f"{{kernel:rootPath}}/work/{self.component}/{self.name}/bin/python"

    @property
    def packages(self) -> str:
        """For a Lambda component's environment, where only other components' variables resolve."""
        return f"{{{self.component}:work:path}}/{self.name}/{_SITE_PACKAGES}"


def runtime_folder(component: str, digests: Mapping[str, str]) -> RuntimeFolder:
    """Return the folder of the environment; `digests` are the archives', by architecture."""
    content = json.dumps(dict(digests), sort_keys=True)
    name = hashlib.sha256(content.encode()).hexdigest()[:_NAME_CHARACTERS]
    return RuntimeFolder(component, name)


def runtime_recipe(folder: RuntimeFolder, uris: Mapping[str, str]) -> dict[str, Any]:
    """Return the recipe without its version; `uris` are those of the archives, by architecture.

    A device of another architecture finds no manifest, and refuses the deployment.
    """
    install = {
        "Script": (
            f"python{RUNTIME_PYTHON} {{artifacts:decompressedPath}}/runtime/install_runtime.py "
            f"{{work:path}}/{folder.name}"
        ),
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
                "Lifecycle": {"install": install},
            }
            for architecture, uri in sorted(uris.items())
        ],
    }
