"""A gate passes only if the project's result stays valid during the bake time."""

import re
from collections.abc import Callable

import pytest

from deeplens.releases.gate_check import Clock, check_gate
from model_tools.errors import RegistryError
from tests.promotion.conftest import World

pytestmark = pytest.mark.emulator


class Bake:
    """A clock that advances with each sleep, and calls a function at the first sleep."""

    def __init__(self, happens: Callable[[], None] = lambda: None) -> None:
        self.seconds = 0.0
        self.happens = happens
        self.slept: list[float] = []

    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, self.sleep)

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        self.slept.append(seconds)
        self.happens()
        self.happens = lambda: None


def gate(world: World, bake: Bake, bake_seconds: float = 40.0) -> str:
    dev = world.environment("dev")
    return check_gate(
        world.registry.accounts,
        dev,
        dev.model.digest,
        bake_seconds=bake_seconds,
        clock=bake.clock(),
    )


def test_a_release_that_stays_proven_passes_after_its_whole_bake(world: World) -> None:
    world.deploy("dev")
    bake = Bake()
    assert "2 of 2 reachable devices run the release" in gate(world, bake)
    assert bake.slept == [15.0, 15.0, 10.0]


def test_a_release_that_is_stopped_while_it_bakes_does_not_pass(world: World) -> None:
    world.deploy("dev")
    bake = Bake(lambda: world.deploy("dev", stopped="false detections"))
    with pytest.raises(RegistryError, match="was stopped there: false detections"):
        gate(world, bake)
    assert bake.slept == [15.0]


def test_a_camera_that_fails_while_it_bakes_closes_the_gate(world: World) -> None:
    world.deploy("dev")
    world.heartbeat("dev", "camera")
    bake = Bake(lambda: world.heartbeat("dev", "camera", status="failing"))
    with pytest.raises(RegistryError, match=r"gate of dev: .*camera: is failing"):
        gate(world, bake)
    assert bake.slept == [15.0]


def test_another_release_in_its_place_does_not_pass(world: World) -> None:
    world.deploy("dev")
    dev = world.environment("dev")

    def overtaken() -> None:
        world.pin("dev", world.build("2.0.0"))
        world.deploy("dev")

    with pytest.raises(RegistryError, match="is not the release of the fleet"):
        check_gate(
            world.registry.accounts,
            dev,
            dev.model.digest,
            bake_seconds=40,
            clock=Bake(overtaken).clock(),
        )


def test_what_no_camera_proved_and_what_never_came_do_not_pass(world: World) -> None:
    digest = re.escape(world.environment("dev").model.digest[:12])
    with pytest.raises(RegistryError, match=f"{digest}… was never deployed there"):
        gate(world, Bake())
    world.deploy("dev", proven=False)
    with pytest.raises(RegistryError, match="has not been verified by a camera"):
        gate(world, Bake())
