"""Checks of settings that exclude each other; each message contains settings that work."""

from collections.abc import Iterator

from deeplens.config.fleet import FleetConfig
from deeplens.config.inference import InferenceConfig
from deeplens.config.runtime import RuntimeConfig

_AWSCAM = "awscam"


def incompatible_settings(
    fleet: FleetConfig, inference: InferenceConfig, runtime: RuntimeConfig
) -> Iterator[str]:
    """Yield a message for each combination of settings that does not work."""
    contained = inference.isolation_mode == "GreengrassContainer"
    pinned = bool(runtime.to_pins())
    on_deeplens = [
        f"inference.{key}"
        for key, value in (("camera", inference.camera), ("engine", inference.engine))
        if value == _AWSCAM
    ]
    yield from _incompatible_components(fleet, inference, pinned=pinned)
    if pinned and inference.engine == "tensorflow":
        yield (
            "[runtime] contains no TensorFlow, which is four times as large; "
            "inference.engine 'openvino' works, or no [runtime] on devices on which TensorFlow is "
            "installed"
        )
    if inference.engine == "tensorflow" and inference.engine_device == "gpu":
        yield (
            "inference.engine 'tensorflow' runs on the CPU only; it works with engine_device "
            "'auto', or use engine 'openvino'"
        )
    for key in on_deeplens:
        if fleet.core_runtime == "lite":
            yield (
                f"{key} 'awscam' needs an AWS DeepLens, whose Linux is too old for nucleus lite; "
                "it works with fleet.core_runtime 'classic'"
            )
        elif contained:
            yield (
                f"{key} 'awscam' is software of the device, which is not available in a container; "
                "it works with inference.isolation_mode 'NoContainer'"
            )


def _incompatible_components(
    fleet: FleetConfig, inference: InferenceConfig, *, pinned: bool
) -> Iterator[str]:
    """Yield messages about conflicts between component kind, isolation mode, fleet and runtime."""
    contained = inference.isolation_mode == "GreengrassContainer"
    if fleet.core_runtime == "lite" and inference.component == "lambda":
        yield (
            "inference.component 'lambda' does not work with fleet.core_runtime 'lite', which runs "
            "no Lambda components; use component 'generic', or with core_runtime "
            "'classic'"
        )
    if contained and fleet.core_runtime == "lite":
        yield (
            "fleet.core_runtime 'lite' runs neither Lambda components nor containers; it works "
            "with inference.isolation_mode 'NoContainer', or with core_runtime 'classic'"
        )
    elif contained and inference.component == "generic":
        yield (
            "inference.isolation_mode 'GreengrassContainer' is for Lambda components; use "
            "isolation_mode 'NoContainer', or inference.component 'lambda'"
        )
    elif contained and fleet.cgroups != "v1":
        yield (
            "inference.isolation_mode 'GreengrassContainer' needs cgroups v1 on every device of "
            "the fleet, which current Linux distributions do not use; it works with isolation_mode "
            "'NoContainer', or with fleet.cgroups 'v1' if the devices were set up so"
        )
    if contained and pinned:
        yield (
            "inference.isolation_mode 'GreengrassContainer' hides the folder of [runtime] from the "
            "function; use 'NoContainer', or remove [runtime]"
        )
