"""Selection of the recipe manifest that applies to this device.

Source: AWS IoT Greengrass V2 Developer Guide, "AWS IoT Greengrass component recipe reference".
The first manifest whose platform attributes all fit is used. `*` and `all` fit every value, and a
value between slashes is a regular expression.
"""

import platform
import re
from collections.abc import Mapping
from typing import Any, cast

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "aarch64"}


def architecture() -> str:
    """Return Greengrass' name of the machine's architecture."""
    return _ARCHITECTURES.get(platform.machine(), platform.machine())


def first_fitting(
    recipe: Mapping[str, Any], *, runtime: str, required: tuple[str, ...] = ()
) -> Mapping[str, Any] | None:
    """Return the first manifest that fits this machine; None if no manifest fits.

    Args:
        recipe: a recipe with its manifests.
        runtime: the platform attribute `runtime` of the nucleus.
        required: names of attributes; a manifest without one of them is skipped.
    """
    own = {"os": "linux", "architecture": architecture(), "runtime": runtime}
    for manifest in recipe.get("Manifests", []):
        attributes = manifest.get("Platform") or {}
        fits = all(
            _fits(str(required_value), own.get(key)) for key, required_value in attributes.items()
        )
        if fits and all(name in attributes for name in required):
            return cast("Mapping[str, Any]", manifest)
    return None


def _fits(pattern: str, actual: str | None) -> bool:
    if pattern in {"*", "all"}:
        return True
    if len(pattern) > 1 and pattern.startswith("/") and pattern.endswith("/"):
        return actual is not None and re.fullmatch(pattern[1:-1], actual) is not None
    return pattern == actual
