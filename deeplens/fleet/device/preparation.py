"""The device script, with the settings of one device."""

import shlex
from pathlib import Path

from deeplens.config import EnvironmentConfig
from deeplens.config.nucleus_components import OLDEST_LITE, PINNED_VERSIONS
from deeplens.fleet.core_configuration import CORE_ROOT

SCRIPT_NAME = "prepare-device.sh"
_TEMPLATE = Path(__file__).with_name(SCRIPT_NAME)
_SETTINGS = "@SETTINGS@"
_PYTHON = "python3.12"
# The modules with which a runtime component creates a virtual environment; Debian's python3 needs
# extra packages for these modules.
_MODULES_FOR_A_RUNTIME = ("venv", "ensurepip")
# The modules of requirements/device.txt that the device's Python must contain if no runtime is
# pinned. The camera cannot start without these modules.
_MODULES_WITHOUT = ("numpy", "PIL", "google.protobuf", "jsonschema", "openvino", "awsiot", "cv2")


def device_script(environment: EnvironmentConfig, thing: str) -> str:
    """Return the POSIX shell script that prepares a device or, with `--check`, checks it."""
    pinned = [name for name in ("amd64", "aarch64") if getattr(environment.runtime, name)]
    settings = {
        "THING": thing,
        "ENVIRONMENT": environment.name,
        "CORE_RUNTIME": environment.fleet.core_runtime,
        "CORE_ROOT": str(CORE_ROOT[environment.fleet.core_runtime]),
        "NUCLEUS_VERSION": PINNED_VERSIONS["aws.greengrass.Nucleus"],
        "OLDEST_LITE": OLDEST_LITE,
        "CGROUPS": environment.fleet.cgroups,
        "CAMERA": environment.inference.camera,
        "ARCHITECTURES": " ".join(pinned or ("amd64", "aarch64")),
        "PYTHON": _PYTHON,
        "PYTHON_MODULES": " ".join(_MODULES_FOR_A_RUNTIME if pinned else _MODULES_WITHOUT),
        "PYTHON_REPAIR": (
            f"install {_PYTHON}-venv"
            if pinned
            else "install requirements/device.txt for it, or pin a runtime: "
            "deeplens env runtime --pin FILE"
        ),
    }
    lines = "\n".join(f"{name}={shlex.quote(value)}" for name, value in settings.items())
    return _TEMPLATE.read_text(encoding="utf-8").replace(_SETTINGS, lines)
