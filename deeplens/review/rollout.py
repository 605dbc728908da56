"""Compare the steps of a rollout before and after a change, with the number of exposed cameras."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from deeplens.config.rollout import Moment, RolloutConfig, timeline
from deeplens.review.blocks import Block, Folded, Heading, Table, Text

UNLISTED_FLEET = 100
"""Number of cameras in the example, if an environment file lists none."""


@dataclass(frozen=True)
class RolloutComparison:
    """The steps of a rollout, before and after a change.

    Attributes:
        cameras: the number of cameras in the calculation.
        listed: true if the environment file lists these cameras.
        named_groups: true if a wave is a named thing group, whose members no file contains.
        before: the steps in BASE; empty if BASE contains no file, or no plan that this checkout can
            read.
        after: the steps in the working tree.
    """

    cameras: int
    listed: bool
    named_groups: bool
    before: tuple[Moment, ...]
    after: tuple[Moment, ...]


def compare_rollouts(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, *, releases: bool
) -> RolloutComparison | None:
    """Calculate the steps of a rollout from an environment file on both sides.

    Args:
        before: the file in BASE, or None if BASE does not contain the file.
        after: the file in the working tree, or None if it is absent.
        releases: true if the change deploys components to the cameras.

    Returns:
        The steps of both sides; None if nothing is deployed and the plan is the same, or if the
        working tree contains no plan that can be read.
    """
    old, new = _plan(before), _plan(after)
    if new is None or (old == new and not releases):
        return None
    things = len((after or {}).get("fleet", {}).get("things", ()))
    cameras = things or UNLISTED_FLEET
    return RolloutComparison(
        cameras=cameras,
        listed=bool(things),
        named_groups=any(wave.thing_group for wave in new.waves),
        before=tuple(timeline(old, cameras, {})) if old else (),
        after=tuple(timeline(new, cameras, {})),
    )


def rollout_blocks(environment: str, rollout: RolloutComparison | None) -> Iterator[Block]:
    """Yield the steps of the rollout as a table, and the previous steps if they differ."""
    if rollout is None:
        return
    yield Heading(3, f"{environment}: how a release reaches the cameras")
    yield Text(_worst_case(rollout))
    yield _steps(f"Steps of the rollout, for {rollout.cameras} cameras", rollout, rollout.after)
    if rollout.before and rollout.before != rollout.after:
        yield Folded(
            "The steps before this change",
            (_steps("Steps of the rollout before", rollout, rollout.before),),
        )


def _plan(settings: Mapping[str, Any] | None) -> RolloutConfig | None:
    """Return the plan in an environment file; None if this checkout cannot read the plan."""
    if settings is None:
        return None
    try:
        return RolloutConfig.model_validate(settings.get("rollout", {}))
    except ValidationError:
        return None


def _worst_case(rollout: RolloutComparison) -> str:
    cameras = f"{rollout.cameras} {'camera' if rollout.cameras == 1 else 'cameras'}"
    fleet = (
        f"the {cameras} that the environment file lists"
        if rollout.listed
        else f"an example fleet of {cameras}"
    )
    text = (
        f"Worst case for {fleet}: the release is bad on each camera that receives it, and each "
        "gate takes its full time to detect that."
    )
    if rollout.named_groups:
        text += " A wave by thing group counts as the entire fleet: no file contains its members."
    return text


def _steps(caption: str, rollout: RolloutComparison, moments: tuple[Moment, ...]) -> Table:
    return Table(
        caption,
        ("from minute", "step", "cameras exposed", "share"),
        tuple(
            (
                f"{moment.at_seconds // 60}:{moment.at_seconds % 60:02}",
                moment.what,
                f"{moment.exposed_devices} of {rollout.cameras}",
                _bar(moment.exposed_devices / rollout.cameras),
            )
            for moment in moments
        ),
    )


def _bar(share: float, width: int = 20) -> str:
    """Return a share as a bar and a percentage; a share above zero has at least one block."""
    full = max(round(share * width), 1 if share else 0)
    return f"{'█' * full}{'░' * (width - full)} {share:.0%}"
