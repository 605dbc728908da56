"""`[rollout]`: waves, the rule of the gate, and the rate of the job.

`timeline` returns, for each step of a rollout, the number of devices that may run a bad release.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from deeplens.config.base import ConfigSection
from deeplens.config.fleet import ThingGroupName

# The maximum time, in seconds, for which the Lambda function of a deploy waits for devices. The
# timeout of the function is 900 s; the remaining time is for the response.
LONGEST_WAIT_SECONDS = 780


def _with_decimals(value: float, *, digits: int) -> float:
    """Return `value`; raise `ValueError` for more than `digits` decimals, AWS IoT's limit."""
    rounded = round(value, digits)
    if rounded != value:
        raise ValueError(
            f"AWS IoT accepts at most {digits} digit{'s' * (digits > 1)} after the decimal point, "
            f"for example {rounded:g}"
        )
    return value


_one_decimal = AfterValidator(partial(_with_decimals, digits=1))
_two_decimals = AfterValidator(partial(_with_decimals, digits=2))


class WaveConfig(ConfigSection):
    """A part of the fleet that receives a release together: a thing group or a percentage."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["percent"]}, {"required": ["thing_group"]}]}
    )

    thing_group: Annotated[
        ThingGroupName | None,
        Field(description="the thing group that gets the release in this wave"),
    ] = None
    percent: Annotated[
        float | None,
        Field(
            gt=0,
            lt=100,
            description="or the share of the fleet that has the release after this wave",
        ),
    ] = None
    wait_seconds: Annotated[
        int,
        Field(
            ge=10, le=LONGEST_WAIT_SECONDS, description="how long the wave waits for its devices"
        ),
    ] = 120
    bake_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=LONGEST_WAIT_SECONDS,
            description="how long the wave must stay without errors after that",
        ),
    ] = 0
    pause_seconds: Annotated[
        int, Field(ge=0, le=LONGEST_WAIT_SECONDS, description="pause before the next wave")
    ] = 0

    @model_validator(mode="after")
    def _share_or_group(self) -> Self:
        if (self.thing_group is None) == (self.percent is None):
            raise ValueError("a wave has either 'percent' or 'thing_group'")
        return self


class RateConfig(ConfigSection):
    """The rate at which the IoT job notifies devices (JobExecutionsRolloutConfig)."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["maximum_per_minute"]}, {"required": ["base_per_minute"]}]
        }
    )

    maximum_per_minute: Annotated[
        int | None, Field(ge=1, le=1000, description="maximum of devices notified per minute")
    ] = None
    base_per_minute: Annotated[
        int | None, Field(ge=1, le=1000, description="devices notified in the first minute")
    ] = None
    increment_factor: Annotated[
        float,
        Field(
            ge=1.1, le=5, description="factor by which the rate grows; at most one decimal place"
        ),
        _one_decimal,
    ] = 2.0
    increase_after_succeeded: Annotated[
        int, Field(ge=1, description="devices that must have succeeded before the rate grows")
    ] = 1

    @model_validator(mode="after")
    def _has_rate(self) -> Self:
        if self.maximum_per_minute is None and self.base_per_minute is None:
            raise ValueError(
                "a rate has 'maximum_per_minute' (constant), 'base_per_minute' (exponential), "
                "or both"
            )
        return self

    @model_validator(mode="after")
    def _growing(self) -> Self:
        first, most = self.base_per_minute, self.maximum_per_minute
        if first is not None and most is not None and most < first:
            raise ValueError(
                f"'maximum_per_minute' ({most}) is below the initial rate, 'base_per_minute' "
                f"({first}): expected at least {first}"
            )
        return self

    def to_job(self) -> dict[str, Any]:
        """Return the rate as `jobExecutionsRolloutConfig` of the IoT job."""
        config: dict[str, Any] = {}
        if self.maximum_per_minute is not None:
            config["maximumPerMinute"] = self.maximum_per_minute
        if self.base_per_minute is not None:
            config["exponentialRate"] = {
                "baseRatePerMinute": self.base_per_minute,
                "incrementFactor": self.increment_factor,
                "rateIncreaseCriteria": {"numberOfSucceededThings": self.increase_after_succeeded},
            }
        return config


class AbortConfig(ConfigSection):
    """The share of failures at which AWS IoT cancels the job."""

    failed_percent: Annotated[
        float,
        Field(
            gt=0,
            le=100,
            description="share of failures that stops the job; at most two decimal places",
        ),
        _two_decimals,
    ]
    minimum_devices: Annotated[
        int,
        Field(ge=1, description="minimum of notified devices for this rule"),
    ] = 1

    def to_job(self) -> dict[str, Any]:
        """Return the rule as `abortConfig` of the IoT job."""
        return {
            "criteriaList": [
                {
                    "failureType": "ALL",
                    "action": "CANCEL",
                    "thresholdPercentage": self.failed_percent,
                    "minNumberOfExecutedThings": self.minimum_devices,
                }
            ]
        }


class RolloutConfig(ConfigSection):
    """The waves, rate, gate and time limits of a rollout, and the effect of a deletion."""

    wait_seconds: Annotated[
        int,
        Field(
            ge=10, le=LONGEST_WAIT_SECONDS, description="how long a deploy waits for the cameras"
        ),
    ] = 600
    bake_seconds: Annotated[
        int,
        Field(
            ge=0,
            le=LONGEST_WAIT_SECONDS,
            description="how long the fleet must stay without errors before the deploy is complete",
        ),
    ] = 0
    success_percent: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            description="share of the reachable devices that must run the release",
        ),
    ] = 100.0
    error_percent: Annotated[
        float,
        Field(
            ge=0,
            le=100,
            description="share of the reachable devices that may fail before the rollout stops",
        ),
    ] = 0.0
    minimum_devices: Annotated[
        int, Field(ge=0, description="minimum of devices that must run the release")
    ] = 0
    offline_after_seconds: Annotated[
        int,
        Field(ge=1, le=600, description="time without a heartbeat after which a device is offline"),
    ] = 20
    minimum_frames_per_second: Annotated[
        float, Field(ge=0, description="a slower device fails the release")
    ] = 0.0
    minimum_detections: Annotated[
        int,
        Field(
            ge=0,
            le=1_000_000,
            description="detections that each device must have made with the release; only "
            "for cameras whose images always contain objects",
        ),
    ] = 0
    on_delete: Annotated[
        Literal["remove", "keep"],
        Field(description="whether a deletion of the stack removes the release from the devices"),
    ] = "remove"
    rate: RateConfig | None = None
    abort: AbortConfig | None = None
    waves: Annotated[tuple[WaveConfig, ...], Field(max_length=10, strict=False)] = ()

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.longest_seconds > LONGEST_WAIT_SECONDS:
            raise ValueError(
                f"the waves and the rest may take {self.longest_seconds} s together, but a deploy "
                f"waits at most {LONGEST_WAIT_SECONDS} s: reduce wait_seconds, bake_seconds or "
                "pause_seconds; for a longer time, use bake_minutes of the pipeline"
            )
        return self

    @model_validator(mode="after")
    def _growing(self) -> Self:
        shares = [wave.percent for wave in self.waves if wave.percent is not None]
        if shares != sorted(set(shares)):
            raise ValueError(f"waves grow: percentages {shares} must increase")
        return self

    @property
    def longest_seconds(self) -> int:
        """The maximum time that a deploy waits, in seconds."""
        waves = sum(
            wave.wait_seconds + wave.bake_seconds + wave.pause_seconds for wave in self.waves
        )
        return waves + self.wait_seconds + self.bake_seconds

    def to_job(self) -> dict[str, Any]:
        """Return the configuration of the IoT job that Greengrass creates for a deployment."""
        job = {}
        if self.rate:
            job["jobExecutionsRolloutConfig"] = self.rate.to_job()
        if self.abort:
            job["abortConfig"] = self.abort.to_job()
        return job

    def to_plan(self) -> dict[str, Any]:
        """Return rule, waves and time limits of the rollout as the custom resource reads them."""
        return {
            "rule": {
                "success_percent": self.success_percent,
                "error_percent": self.error_percent,
                "minimum_devices": self.minimum_devices,
                "offline_after_seconds": self.offline_after_seconds,
                "minimum_frames_per_second": self.minimum_frames_per_second,
                "minimum_detections": self.minimum_detections,
            },
            "waves": [
                {
                    "thing_group": wave.thing_group,
                    "percent": wave.percent or 0.0,
                    "wait_seconds": wave.wait_seconds,
                    "bake_seconds": wave.bake_seconds,
                    "pause_seconds": wave.pause_seconds,
                }
                for wave in self.waves
            ],
            "wait_seconds": self.wait_seconds,
            "bake_seconds": self.bake_seconds,
        }


@dataclass(frozen=True)
class Moment:
    """A step of a timeline: from `at_seconds`, at most `exposed_devices` run the new release."""

    at_seconds: int
    what: str
    exposed_devices: int


def timeline(rollout: RolloutConfig, devices: int, group_sizes: dict[str, int]) -> list[Moment]:
    """Return the steps of a rollout, with their latest starts and the devices exposed at worst.

    In the worst case, devices install the release at the rate of the job, beginning with devices
    without the release. Every gate needs its maximum time, and the release is bad on all devices.
    If a gate passes early, the next step starts earlier; the numbers are the same. With a rate,
    each minute of a wave is a step until all its devices are notified.

    Args:
        rollout: the plan.
        devices: the number of devices in the fleet.
        group_sizes: the number of devices in each wave's thing group, by the group's name; a group
            without an entry has all devices.
    """
    moments: list[Moment] = []
    at_seconds = reached = 0
    for number, wave in enumerate(rollout.waves, start=1):
        if wave.percent is not None:
            what = f"wave {number}: {wave.percent:g} % of the fleet"
            # Each share includes the previous share; thing groups may overlap in any way.
            size = math.ceil(devices * wave.percent / 100)
        else:
            what = f"wave {number}: {wave.thing_group}"
            size = group_sizes.get(wave.thing_group or "", devices)
        named = sum(
            group_sizes.get(earlier.thing_group, devices)
            for earlier in rollout.waves[:number]
            if earlier.thing_group is not None
        )
        waves = rollout.waves[:number]
        shares = [earlier.percent for earlier in waves if earlier.percent is not None]
        share = math.ceil(devices * max(shares, default=0.0) / 100)
        for second, notified in _notified(
            rollout.rate, size, wave.wait_seconds + wave.bake_seconds
        ):
            exposed = min(devices, named + share, reached + notified)
            moments.append(Moment(at_seconds + second, what, exposed))
        reached = moments[-1].exposed_devices
        at_seconds += wave.wait_seconds + wave.bake_seconds
        if wave.pause_seconds:
            moments.append(Moment(at_seconds, f"pause after wave {number}", reached))
            at_seconds += wave.pause_seconds
    for second, notified in _notified(
        rollout.rate, devices, rollout.wait_seconds + rollout.bake_seconds
    ):
        exposed = min(devices, reached + notified)
        moments.append(Moment(at_seconds + second, "all devices of the fleet", exposed))
    return moments


def _notified(rate: RateConfig | None, devices: int, seconds: int) -> list[tuple[int, int]]:
    """Return the start of each minute, in seconds, and the maximum number of notified devices.

    The list ends when all `devices` are notified, or after `seconds`. Without a rate, all devices
    are notified at once.
    """
    if rate is None:
        return [(0, devices)]
    moments, notified = [], 0
    per_minute = float(rate.base_per_minute or rate.maximum_per_minute or devices)
    ceiling = float(rate.maximum_per_minute or 1000)
    for second in range(0, max(seconds, 1), 60):
        notified = min(devices, notified + math.ceil(min(per_minute, ceiling)))
        moments.append((second, notified))
        if notified == devices:
            break
        if rate.base_per_minute is not None:
            per_minute = min(per_minute * rate.increment_factor, ceiling)
    return moments
