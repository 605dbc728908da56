"""Tests that a deployment restarts components that changed or do not work."""

import asyncio
import itertools
from typing import Any

import pytest

from local_aws.core_device import components, deploying
from local_aws.core_device.components import Component
from local_aws.core_device.errors import DeploymentFailed

HOST: Any = None


class Fake:
    """Replaces the steps of a component, and records them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self.fails: set[str] = set()
        for step in ("install", "start"):
            monkeypatch.setattr(components, step, self._step(step))
        monkeypatch.setattr(components, "stop", self._stop)

    def _step(self, step: str) -> Any:
        async def run(component: Component, _host: Any, _others: Any) -> None:
            self.steps.append(f"{step} {component.name} {component.version}")
            if step == "start" and component.name in self.fails:
                component.status = "ERRORED"
                raise DeploymentFailed("killed")
            component.status = "RUNNING" if step == "start" else "NEW"

        return run

    async def _stop(self, component: Component) -> None:
        self.steps.append(f"stop {component.name} {component.version}")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(monkeypatch)


def component(name: str = "app", version: str = "1.0.0", *, status: str = "NEW") -> Component:
    return Component(name, version, {}, {}, status)


def switch(running: dict[str, Component], *wanted: Component) -> None:
    asyncio.run(deploying.switch(HOST, running, {one.name: one for one in wanted}))


@pytest.mark.parametrize(
    ("status", "version"),
    list(
        itertools.product(
            ["NEW", "STARTING", "RUNNING", "FINISHED", "ERRORED", "BROKEN"], ["1.0.0", "2.0.0"]
        )
    ),
)
def test_only_an_unchanged_component_that_works_is_left_alone(
    fake: Fake, status: str, version: str
) -> None:
    running = {"app": component(status=status)}
    switch(running, component(version=version))
    stays = status in {"RUNNING", "FINISHED"} and version == "1.0.0"
    again = ["stop app 1.0.0", f"install app {version}", f"start app {version}"]
    assert fake.steps == ([] if stays else again)
    assert running["app"].works


def test_a_function_killed_at_the_start_of_a_release_and_of_its_rollback_runs_again(
    fake: Fake,
) -> None:
    running = {"app": component(status="RUNNING")}
    before = dict(running)
    fake.fails = {"app"}
    with pytest.raises(DeploymentFailed):
        switch(running, component(version="2.0.0"))
    with pytest.raises(DeploymentFailed):
        switch(running, *before.values())
    assert not running["app"].works
    fake.fails = set()
    switch(running, component())
    assert running["app"].works


def test_a_component_that_depends_on_a_broken_one_starts_again(fake: Fake) -> None:
    rules = {"ComponentDependencies": {"base": {"DependencyType": "HARD"}}}
    app = Component("app", "1.0.0", rules, {}, "RUNNING")
    running = {"base": component("base", status="BROKEN"), "app": app}
    switch(running, component("base"), Component("app", "1.0.0", rules, {}))
    assert fake.steps == [
        "stop app 1.0.0", "stop base 1.0.0",
        "install base 1.0.0", "start base 1.0.0", "start app 1.0.0",
    ]  # fmt: skip


def test_a_component_that_is_being_restarted_is_left_alone(fake: Fake) -> None:
    async def run() -> None:
        crashed = component(status="ERRORED")
        crashed.watch = asyncio.create_task(asyncio.sleep(600))
        await deploying.switch(HOST, {"app": crashed}, {"app": component()})
        crashed.watch.cancel()

    asyncio.run(run())
    assert fake.steps == []


def test_failures_of_an_hour_ago_no_longer_count() -> None:
    failures: tuple[float, ...] = ()
    for now in (0.0, 10.0, 3_609.0, 7_209.0):
        failures = components.with_failure(failures, now)
    assert failures == (7_209.0,)
    assert components.with_failure((0.0, 10.0), 3_609.0) == (0.0, 10.0, 3_609.0)
