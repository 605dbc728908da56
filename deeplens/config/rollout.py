"""How a release reaches a fleet: waves, their gates, the job's rate; plain data, no CDK.

`timeline` says, before anything is deployed, how many devices may run a bad release at each moment.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from deeplens.config.base import ConfigSection
from deeplens.config.fleet import ThingGroupName

# A deploy waits inside a Lambda function, which has 15 minutes; the rest is left for its answer.
LONGEST_WAIT_SECONDS = 780


def _with_decimals(value: float, *, digits: int) -> float:
    """Return a number that AWS IoT accepts: it rejects more digits after the decimal point."""
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
    """Some of the fleet before the rest: a named thing group of it, or a share in percent."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["percent"]}, {"required": ["thing_group"]}]}
    )

    thing_group: Annotated[
        ThingGroupName | None,
        Field(description="the thing group that gets the release in this wave"),
    ] = None
    percent: Annotated[
        float | None,
        Field(gt=0, lt=100, description="or the share of the fleet that has it then"),
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
            ge=0, le=LONGEST_WAIT_SECONDS, description="how long the wave must stay good after that"
        ),
    ] = 0
    pause_seconds: Annotated[
        int, Field(ge=0, le=LONGEST_WAIT_SECONDS, description="pause before the next wave")
    ] = 0

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.thing_group is None) == (self.percent is None):
            raise ValueError("a wave has either 'percent' or 'thing_group', not both and not none")
        return self


class RateConfig(ConfigSection):
    """How fast the IoT job tells devices, as in IoT's JobExecutionsRolloutConfig."""

    model_config = ConfigDict(
        json_schema_extra={
            "anyOf": [{"required": ["maximum_per_minute"]}, {"required": ["base_per_minute"]}]
        }
    )

    maximum_per_minute: Annotated[
        int | None, Field(ge=1, le=1000, description="devices notified per minute, at most")
    ] = None
    base_per_minute: Annotated[
        int | None, Field(ge=1, le=1000, description="devices notified in the first minute")
    ] = None
    increment_factor: Annotated[
        float,
        Field(ge=1.1, le=5, description="by which the rate grows; one digit after the point"),
        _one_decimal,
    ] = 2.0
    increase_after_succeeded: Annotated[
        int, Field(ge=1, description="devices that must have succeeded before the rate grows")
    ] = 1

    @model_validator(mode="after")
    def _something(self) -> Self:
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
                f"'maximum_per_minute' ({most}) is below 'base_per_minute' ({first}), with which "
                f"the job begins: expected at least {first}"
            )
        return self

    def to_job(self) -> dict[str, Any]:
        """IoT's `jobExecutionsRolloutConfig`."""
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
    """When the IoT job itself stops telling devices, whoever watches."""

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
        Field(
            ge=1, description="devices that must be notified of the job before that share counts"
        ),
    ] = 1

    def to_job(self) -> dict[str, Any]:
        """IoT's `abortConfig`."""
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
    """How long a deploy waits for the cameras, for which, and in which order they get it."""

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
            description="how long the fleet must stay good before the deploy is complete",
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
            description="share of the reachable devices that may fail before it is stopped",
        ),
    ] = 0.0
    minimum_devices: Annotated[
        int, Field(ge=0, description="devices that must run the release, however few are reachable")
    ] = 0
    offline_after_seconds: Annotated[
        int, Field(ge=1, le=600, description="silence after which a device counts as offline")
    ] = 20
    minimum_frames_per_second: Annotated[
        float, Field(ge=0, description="a device that is slower fails the release")
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
        Field(description="whether deleting the stack takes the release off the devices"),
    ] = "remove"
    rate: RateConfig | None = None
    abort: AbortConfig | None = None
    waves: Annotated[tuple[WaveConfig, ...], Field(max_length=10, strict=False)] = ()

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.longest_seconds > LONGEST_WAIT_SECONDS:
            raise ValueError(
                f"the waves and the rest may take {self.longest_seconds} s together, a deploy "
                f"waits at most {LONGEST_WAIT_SECONDS} s: shorten wait_seconds, bake_seconds or "
                "pause_seconds; a longer bake belongs to the pipeline"
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
        """Seconds that a deploy may wait in all."""
        waves = sum(one.wait_seconds + one.bake_seconds + one.pause_seconds for one in self.waves)
        return waves + self.wait_seconds + self.bake_seconds

    def to_job(self) -> dict[str, Any]:
        """IoT's job configuration, as Greengrass takes it."""
        job = {}
        if self.rate:
            job["jobExecutionsRolloutConfig"] = self.rate.to_job()
        if self.abort:
            job["abortConfig"] = self.abort.to_job()
        return job

    def to_plan(self) -> dict[str, Any]:
        """What the custom resource needs to know."""
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
    """From `at_seconds` on, at most `exposed_devices` may run the new release."""

    at_seconds: int
    what: str
    exposed_devices: int


def timeline(rollout: RolloutConfig, devices: int, group_sizes: dict[str, int]) -> list[Moment]:
    """Say when each step begins, at the latest, and the worst-case number of devices exposed.

    Worst case: every device takes the release at once as far as the job's rate lets it, those
    first that do not have it yet, every gate needs its whole time, and the release is bad on all
    of them. A gate that passes early brings the next step forward, and changes no number.

    Args:
        rollout: the plan.
        devices: members of the fleet.
        group_sizes: members of each named wave's thing group; one that is not here counts whole.
    """
    moments: list[Moment] = []
    at_seconds = reached = 0
    for number, wave in enumerate(rollout.waves, start=1):
        if wave.percent is not None:
            what = f"wave {number}: {wave.percent:g} % of the fleet"
            # Shares contain one another; named groups may be anybody.
            size = math.ceil(devices * wave.percent / 100)
        else:
            what = f"wave {number}: {wave.thing_group}"
            size = group_sizes.get(wave.thing_group or "", devices)
        named = sum(
            group_sizes.get(one.thing_group, devices)
            for one in rollout.waves[:number]
            if one.thing_group is not None
        )
        shares = [one.percent for one in rollout.waves[:number] if one.percent is not None]
        share = math.ceil(devices * max(shares, default=0.0) / 100)
        for minute, told in _told(rollout.rate, size, wave.wait_seconds + wave.bake_seconds):
            exposed = min(devices, named + share, reached + told)
            moments.append(Moment(at_seconds + minute, what, exposed))
        reached = moments[-1].exposed_devices
        at_seconds += wave.wait_seconds + wave.bake_seconds
        if wave.pause_seconds:
            moments.append(Moment(at_seconds, f"pause after wave {number}", reached))
            at_seconds += wave.pause_seconds
    for minute, told in _told(rollout.rate, devices, rollout.wait_seconds + rollout.bake_seconds):
        exposed = min(devices, reached + told)
        moments.append(Moment(at_seconds + minute, "the whole fleet", exposed))
    return moments


def _told(rate: RateConfig | None, devices: int, seconds: int) -> list[tuple[int, int]]:
    """Say how many devices the job has told, at most, at each full minute."""
    if rate is None:
        return [(0, devices)]
    found, told = [], 0
    per_minute = float(rate.base_per_minute or rate.maximum_per_minute or devices)
    ceiling = float(rate.maximum_per_minute or 1000)
    for minute in range(0, max(seconds, 1), 60):
        told = min(devices, told + math.ceil(min(per_minute, ceiling)))
        found.append((minute, told))
        if told == devices:
            break
        if rate.base_per_minute is not None:
            per_minute = min(per_minute * rate.increment_factor, ceiling)
    return found
