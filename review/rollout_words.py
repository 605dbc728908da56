"""Says in words how a release would reach the cameras."""

from collections.abc import Iterator

from deeplens.config.rollout import Moment
from review.document import Block, Folded, Heading, Table, Text
from review.rollout import Rollout


def rollout_blocks(environment: str, rollout: Rollout | None) -> Iterator[Block]:
    """Yield the steps of the rollout as a table, and those before where they differ."""
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


def _worst_case(rollout: Rollout) -> str:
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
        text += " A wave by thing group counts as the whole fleet: no file lists its members."
    return text


def _steps(caption: str, rollout: Rollout, moments: tuple[Moment, ...]) -> Table:
    return Table(
        caption,
        ("from minute", "step", "cameras exposed", "share"),
        tuple(
            (
                f"{one.at_seconds // 60}:{one.at_seconds % 60:02}",
                one.what,
                f"{one.exposed_devices} of {rollout.cameras}",
                _bar(one.exposed_devices / rollout.cameras),
            )
            for one in moments
        ),
    )


def _bar(share: float, width: int = 20) -> str:
    """Draw a share as a bar that reads in every form; more than nothing is never empty."""
    full = max(round(share * width), 1 if share else 0)
    return f"{'█' * full}{'░' * (width - full)} {share:.0%}"
