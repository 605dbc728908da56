"""Says in words how a release would reach the cameras."""

from collections.abc import Iterator

from review.document import Block, Folded, Heading, Table, Text
from review.rollout import Rollout
from stacks.config.rollout import Moment


def rollout_blocks(environment: str, rollout: Rollout | None) -> Iterator[Block]:
    """Yield the steps of the rollout as a table, and those before where they differ."""
    if rollout is None:
        return
    yield Heading(3, f"{environment}: how a release reaches the cameras")
    yield Text(_reckoned(rollout))
    yield _steps(f"Steps of the rollout, for {rollout.cameras} cameras", rollout, rollout.after)
    if rollout.before and rollout.before != rollout.after:
        yield Folded(
            "The steps before this change",
            (_steps("Steps of the rollout before", rollout, rollout.before),),
        )


def _reckoned(rollout: Rollout) -> str:
    cameras = "the cameras that the environment file lists" if rollout.listed else "an example"
    text = (
        f"Reckoned for {rollout.cameras} cameras ({cameras}), at worst: the release is bad on "
        "each camera that gets it, and each gate takes all its time to see it."
    )
    if rollout.named_groups:
        text += " A wave by thing group counts as the whole fleet: no file tells its members."
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
