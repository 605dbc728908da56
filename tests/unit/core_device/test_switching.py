"""On each nucleus, a deployment restarts the components that changed or do not work."""

import asyncio
import itertools
import json
from collections.abc import Collection
from types import SimpleNamespace
from typing import Any

import pytest

from local_aws.core_device import deployment, lifecycle
from local_aws.core_device.component import InstalledComponent
from local_aws.core_device.device import NUCLEI
from local_aws.core_device.errors import DeploymentFailed
from local_aws.core_device.nucleus import Kind

BOTH = pytest.mark.parametrize("kind", ["classic", "lite"])
STEPS = {"install": "i", "run": "r"}


class Fake:
    """A double that replaces and records the steps of a component."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[str] = []
        self.fails: set[str] = set()
        for step in ("install", "start", "bootstrap"):
            monkeypatch.setattr(lifecycle, step, self._step(step))
        monkeypatch.setattr(lifecycle, "stop", self._stop)
        monkeypatch.setattr(lifecycle, "remove", self._stop)
        monkeypatch.setattr(lifecycle, "wait_until_settled", self._settle)

    def _step(self, step: str) -> Any:
        async def run(component: InstalledComponent, _host: Any) -> None:
            self.steps.append(f"{step} {component.name} {component.version}")
            if step == "start" and component.name in self.fails:
                component.status = "BROKEN"
                raise DeploymentFailed("killed")
            component.status = "RUNNING" if step == "start" else component.status

        return run

    async def _stop(self, component: InstalledComponent, _host: Any) -> None:
        self.steps.append(f"stop {component.name} {component.version}")

    async def _settle(self, _host: Any, names: Collection[str]) -> None:
        self.steps.append(f"wait for {' '.join(sorted(names))}")


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(monkeypatch)


def component(
    name: str = "app",
    version: str = "1.0.0",
    *,
    status: str = "NEW",
    kind: str = "aws.greengrass.generic",
    **more: Any,
) -> InstalledComponent:
    steps = more.pop("steps", STEPS)
    manifest = {"Platform": {"runtime": "*"}, "Lifecycle": steps}
    recipe = {"ComponentType": kind, "Manifests": [manifest], **more}
    return InstalledComponent(name, version, recipe, {}, status=status)


def host(kind: Kind, *running: InstalledComponent) -> Any:
    events: list[str] = []
    return SimpleNamespace(
        nucleus=NUCLEI[kind],
        running={component_.name: component_ for component_ in running},
        removed=lambda component_: events.append(f"removed {component_.name}"),
        launched=lambda: events.append("launched"),
        events=events,
    )


def switch(on: Any, *desired: InstalledComponent, configured: Collection[str] = ()) -> None:
    asyncio.run(
        deployment.switch(on, {component_.name: component_ for component_ in desired}, configured)
    )


@BOTH
@pytest.mark.parametrize(
    ("status", "version"),
    list(
        itertools.product(
            ["NEW", "STARTING", "RUNNING", "FINISHED", "ERRORED", "BROKEN"], ["1.0.0", "2.0.0"]
        )
    ),
)
def test_only_an_unchanged_component_that_works_is_left_alone(
    fake: Fake, kind: Kind, status: str, version: str
) -> None:
    on = host(kind, component(status=status))
    switch(on, component(version=version))
    stays = status in {"RUNNING", "FINISHED"} and version == "1.0.0"
    steps = ["stop app 1.0.0", f"install app {version}"]
    again = [*(steps if kind == "classic" else reversed(steps)), f"start app {version}"]
    assert fake.steps == [*([] if stays else again), "wait for app"]
    assert on.running["app"].works


@BOTH
def test_a_function_killed_at_the_start_of_a_release_and_of_its_rollback_runs_again(
    fake: Fake, kind: Kind
) -> None:
    on = host(kind, component(status="RUNNING"))
    before = deployment.snapshot(on.running)
    fake.fails = {"app"}
    with pytest.raises(DeploymentFailed):
        switch(on, component(version="2.0.0"))
    with pytest.raises(DeploymentFailed):
        switch(on, *before.values())
    assert not on.running["app"].works
    fake.fails = set()
    switch(on, component())
    assert on.running["app"].works


def test_a_component_that_depends_on_a_broken_one_starts_again(fake: Fake) -> None:
    rules = {"ComponentDependencies": {"base": {"DependencyType": "HARD"}}}
    on = host("classic", component("base", status="BROKEN"),
              component(status="RUNNING", **rules))  # fmt: skip
    switch(on, component("base"), component(**rules))
    assert fake.steps == [
        "stop base 1.0.0", "stop app 1.0.0",
        "install base 1.0.0", "start base 1.0.0", "start app 1.0.0", "wait for app base",
    ]  # fmt: skip


@BOTH
def test_a_component_that_is_being_restarted_is_left_alone(fake: Fake, kind: Kind) -> None:
    async def run() -> None:
        crashed = component(status="ERRORED")
        crashed.watch = asyncio.create_task(asyncio.sleep(600))
        await deployment.switch(host(kind, crashed), {"app": component()})
        crashed.watch.cancel()

    asyncio.run(run())
    assert fake.steps == ["wait for app"]


def test_policies_of_a_component_that_is_not_restarted_apply_at_once(fake: Fake) -> None:
    on = host("classic", component(status="RUNNING"))
    desired = component()
    desired.configuration = {"accessControl": {"a": 1}}
    switch(on, desired, configured=["app"])
    assert fake.steps == ["wait for app"]
    assert on.running["app"] is not desired
    assert on.running["app"].configuration == {"accessControl": {"a": 1}}


@BOTH
def test_removed_components_stop_when_the_others_work(fake: Fake, kind: Kind) -> None:
    on = host(kind, component("old", status="RUNNING"))
    switch(on, component("new"))
    assert fake.steps == [
        "install new 1.0.0", "start new 1.0.0", "wait for new", "stop old 1.0.0",
    ]  # fmt: skip
    assert on.events == ["removed old"]
    assert set(on.running) == {"new"}


@BOTH
def test_a_failed_update_keeps_the_components_that_it_would_remove(fake: Fake, kind: Kind) -> None:
    on = host(kind, component("old", status="RUNNING"))
    fake.fails = {"new"}
    with pytest.raises(DeploymentFailed):
        switch(on, component("new"))
    assert "stop old 1.0.0" not in fake.steps
    assert on.running["old"].works


def test_another_version_of_a_plugin_restarts_all_components_of_classic(fake: Fake) -> None:
    plugin = "aws.greengrass.plugin"
    on = host("classic", component("plug", status="RUNNING", kind=plugin, steps={}),
              component(status="RUNNING"))  # fmt: skip
    switch(on, component("plug", "2.0.0", kind=plugin, steps={}), component())
    assert fake.steps == [
        "stop plug 1.0.0", "stop app 1.0.0",
        "install app 1.0.0", "start app 1.0.0", "install plug 2.0.0", "start plug 2.0.0",
        "wait for app plug",
    ]  # fmt: skip
    assert on.events == ["launched"]


def test_bootstrap_steps_run_while_the_core_is_down(fake: Fake) -> None:
    on = host("classic", component("other", status="RUNNING"))
    switch(on, component("other"), component(steps={"bootstrap": "b", "run": "r"}))
    assert fake.steps[:3] == ["stop other 1.0.0", "bootstrap app 1.0.0", "install app 1.0.0"]


@pytest.mark.parametrize(("kind", "installs"), [("classic", True), ("lite", False)])
def test_a_core_that_starts_runs_install_steps_on_classic_only(
    fake: Fake, kind: Kind, *, installs: bool
) -> None:
    asyncio.run(deployment.resume(host(kind), {"app": component()}))
    assert fake.steps == [*(["install app 1.0.0"] if installs else []), "start app 1.0.0"]


@BOTH
def test_a_component_that_does_not_start_again_does_not_stop_the_others(
    fake: Fake, kind: Kind
) -> None:
    fake.fails = {"a"}
    on = host(kind)
    asyncio.run(deployment.resume(on, {name: component(name) for name in ("a", "b")}))
    assert {name: component_.status for name, component_ in on.running.items()} == {
        "a": "BROKEN",
        "b": "RUNNING",
    }


def test_a_record_of_the_core_is_read_as_it_was_written() -> None:
    rules = {"ComponentDependencies": {"model": {}}}
    deployed = deployment.DeployedComponents(
        {"app": component(**rules), "model": component("model")},
        {"thinggroup/g": {"app": {}}},
        {"thinggroup/g": "arn:1"},
    )
    again = deployment.DeployedComponents()
    again.running.update(again.restore(json.loads(json.dumps(deployed.to_json()))))
    assert again.to_json() == deployed.to_json()
    assert again.origin("app") == (("arn:1",), True)
    assert again.origin("model") == (("arn:1",), False)
    assert again.origin("other") == ((), False)


def test_a_record_of_an_earlier_version_still_starts_its_components() -> None:
    saved = deployment.DeployedComponents({"app": component()}).to_json()
    for added in ("arns", "roots"):
        del saved[added]
    for record in saved["components"]:
        del record["dependencies"]
    assert set(deployment.DeployedComponents().restore(saved)) == {"app"}
