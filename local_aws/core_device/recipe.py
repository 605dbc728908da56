"""The manifest of a recipe for this device.

Source: AWS IoT Greengrass V2 Developer Guide, "AWS IoT Greengrass component recipe reference":
the first manifest whose platform attributes all fit is used; `*` fits every value.
"""

import platform
import re
from collections.abc import Mapping
from typing import Any

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "aarch64"}


def architecture() -> str:
    """Return the machine's architecture in Greengrass' terms."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def first_fitting(
    recipe: Mapping[str, Any], *, runtime: str, required: tuple[str, ...] = ()
) -> Mapping[str, Any] | None:
    """Return the first manifest that fits this machine; None if none does.

    Args:
        recipe: with its manifests.
        runtime: the nucleus' platform attribute.
        required: attributes without which a manifest is skipped.
    """
    own = {"os": "linux", "architecture": architecture(), "runtime": runtime}
    for manifest in recipe.get("Manifests", []):
        attributes = manifest.get("Platform") or {}
        fits = all(_fits(str(wanted), own.get(key)) for key, wanted in attributes.items())
        if fits and all(name in attributes for name in required):
            found: Mapping[str, Any] = manifest
            return found
    return None


def _fits(wanted: str, actual: str | None) -> bool:
    if wanted in {"*", "all"}:
        return True
    if len(wanted) > 1 and wanted.startswith("/") and wanted.endswith("/"):
        return actual is not None and re.fullmatch(wanted[1:-1], actual) is not None
    return wanted == actual
