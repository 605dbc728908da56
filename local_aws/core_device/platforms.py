"""Which manifest of a recipe is this device's.

Source: AWS IoT Greengrass V2 Developer Guide, "AWS IoT Greengrass component recipe reference":
the first manifest whose platform attributes all fit is used; `*` fits every value.
"""

import re
from typing import Any

from local_aws.core_device.cloud import architecture


def own_manifest(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the first manifest that fits this machine; an empty one if there is none.

    The cloud resolves no component without one, so a deployment never brings such a recipe.
    """
    own = {"os": "linux", "architecture": architecture()}
    for manifest in recipe.get("Manifests", []):
        if all(_fits(str(wanted), own.get(key)) for key, wanted in _platform(manifest).items()):
            found: dict[str, Any] = manifest
            return found
    return {}


def _platform(manifest: dict[str, Any]) -> dict[str, Any]:
    # What nucleus a recipe is for was decided when it was deployed.
    platform = manifest.get("Platform") or {}
    return {key: value for key, value in platform.items() if key != "runtime"}


def _fits(wanted: str, actual: str | None) -> bool:
    if wanted in {"*", "all"}:
        return True
    if len(wanted) > 1 and wanted.startswith("/") and wanted.endswith("/"):
        return actual is not None and re.fullmatch(wanted[1:-1], actual) is not None
    return wanted == actual
