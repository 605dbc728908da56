"""How a release would reach the cameras: each step of the rollout, and who is exposed by then."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from deeplens.config.rollout import Moment, RolloutConfig, timeline

UNLISTED_FLEET = 100
"""Cameras that are reckoned with where an environment file lists none."""


@dataclass(frozen=True)
class Rollout:
    """The steps of a rollout, before and after a change.

    Attributes:
        cameras: the fleet that the steps are reckoned for.
        listed: whether the environment file lists these cameras.
        named_groups: whether a wave is a thing group, whose members no file tells.
        before: the steps of BASE, empty where it has none that this checkout can read.
        after: the steps of the working tree.
    """

    cameras: int
    listed: bool
    named_groups: bool
    before: tuple[Moment, ...]
    after: tuple[Moment, ...]


def compare_rollouts(
    before: Mapping[str, Any] | None, after: Mapping[str, Any] | None, *, releases: bool
) -> Rollout | None:
    """Reckon the rollout of an environment file's content.

    Args:
        before: the file of BASE, None where it has none.
        after: the file of the working tree.
        releases: whether the change puts anything on the cameras.

    Returns:
        None where nothing is released and the plan is the same, or the file cannot be read.
    """
    old, new = _plan(before), _plan(after)
    if new is None or (old == new and not releases):
        return None
    things = len((after or {}).get("fleet", {}).get("things", ()))
    cameras = things or UNLISTED_FLEET
    return Rollout(
        cameras=cameras,
        listed=bool(things),
        named_groups=any(wave.thing_group for wave in new.waves),
        before=tuple(timeline(old, cameras, {})) if old else (),
        after=tuple(timeline(new, cameras, {})),
    )


def _plan(settings: Mapping[str, Any] | None) -> RolloutConfig | None:
    """Return the plan of an environment file, None where this checkout cannot read it."""
    if settings is None:
        return None
    try:
        return RolloutConfig.model_validate(settings.get("rollout", {}))
    except ValidationError:
        return None
