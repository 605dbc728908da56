"""Choices of one environment that cannot work together; each refusal says what would."""

from collections.abc import Iterator

from deeplens.config.fleet import FleetConfig
from deeplens.config.inference import InferenceConfig
from deeplens.config.runtime import RuntimeConfig

_AWSCAM = "awscam"


def incompatible_settings(
    fleet: FleetConfig, inference: InferenceConfig, runtime: RuntimeConfig
) -> Iterator[str]:
    """Say which choices cannot work together; nothing when all can."""
    contained = inference.isolation_mode == "GreengrassContainer"
    pinned = bool(runtime.to_pins())
    on_deeplens = [
        f"inference.{key}"
        for key, value in (("camera", inference.camera), ("engine", inference.engine))
        if value == _AWSCAM
    ]
    yield from _component_pairs(fleet, inference, pinned=pinned)
    if pinned and inference.engine == "tensorflow":
        yield (
            "the [runtime] has no TensorFlow, which would make it four times as large; it works "
            "with inference.engine 'openvino', or without [runtime] on devices that have "
            "TensorFlow themselves"
        )
    if inference.engine == "tensorflow" and inference.engine_device == "gpu":
        yield (
            "inference.engine 'tensorflow': TensorFlow computes on the CPU here; it works with "
            "engine_device 'auto', or with engine 'openvino'"
        )
    for key in on_deeplens:
        if fleet.core_runtime == "lite":
            yield (
                f"{key} 'awscam' is of an AWS DeepLens, whose system is too old for nucleus lite; "
                "it works with fleet.core_runtime 'classic'"
            )
        elif contained:
            yield (
                f"{key} 'awscam' is of the device's own software, which a container does not "
                "show; it works with inference.isolation_mode 'NoContainer'"
            )


def _component_pairs(
    fleet: FleetConfig, inference: InferenceConfig, *, pinned: bool
) -> Iterator[str]:
    """Return the kinds of component and isolation that cannot work."""
    contained = inference.isolation_mode == "GreengrassContainer"
    if fleet.core_runtime == "lite" and inference.component == "lambda":
        yield (
            "inference.component 'lambda' does not work with fleet.core_runtime 'lite', which runs "
            "no Lambda components; it works with component 'generic', or with core_runtime "
            "'classic'"
        )
    if contained and fleet.core_runtime == "lite":
        yield (
            "fleet.core_runtime 'lite' runs no Lambda component and no container; it works "
            "with inference.isolation_mode 'NoContainer', or with core_runtime 'classic'"
        )
    elif contained and inference.component == "generic":
        yield (
            "inference.isolation_mode 'GreengrassContainer' is for Lambda components; it works "
            "with isolation_mode 'NoContainer', or with inference.component 'lambda'"
        )
    elif contained and fleet.cgroups != "v1":
        yield (
            "inference.isolation_mode 'GreengrassContainer' needs cgroups v1 on every device of "
            "the fleet, which current Linux distributions do not use; it works with isolation_mode "
            "'NoContainer', or with fleet.cgroups 'v1' if the devices were set up so"
        )
    if contained and pinned:
        yield (
            "inference.isolation_mode 'GreengrassContainer' does not show the runtime's folder to "
            "the function; it works with 'NoContainer', or without [runtime]"
        )
