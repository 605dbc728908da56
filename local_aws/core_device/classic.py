"""The classic nucleus, which is written in Java.

Sources: aws-greengrass-nucleus 2.x (Lifecycle with `MAXIMUM_CONTINUAL_ERROR` and `errorResetTime`,
GenericExternalService, GreengrassService, DeploymentConfigMerger, BootstrapManager,
FleetStatusService, WildcardTrie); AWS IoT Greengrass V2 Developer Guide, "AWS IoT Greengrass
component recipe reference".
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws.core_device.configuration import with_configuration
from local_aws.core_device.layout import Layout
from local_aws.core_device.mqtt_proxy import matches_as_mqtt
from local_aws.core_device.nucleus import Deployable, Nucleus, Pauses, Reported, StartType
from local_aws.core_device.recipe import first_fitting
from local_aws.core_device.update_plan import (
    ComponentChange,
    Recipe,
    UpdatePlan,
    classic_plan,
    hard_dependencies,
    in_order,
)

_LAMBDA = "aws.greengrass.lambda"
_PLUGIN = "aws.greengrass.plugin"
_NUCLEUS = "aws.greengrass.nucleus"
_TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"  # noqa: S105 - the name of a component
_RECIPE_SUFFIX = ".recipe.json"
# The maximum length of a status detail of IoT jobs, in characters.
_LONGEST_DETAIL = 1024
_STOP_SECONDS = 5.0
_MAX_FAILURES = 3
_FAILURE_RESET_SECONDS = 3600.0
_STEPS_OF_OWN_RULES = {"install", "shutdown", "bootstrap"}


class Classic(Nucleus):
    """The behavior of the classic nucleus."""

    kind = "classic"
    version = "2.16.1"
    runtime = "aws_nucleus_classic"
    health_fields: Mapping[str, str] = {}
    health_qos = 1
    mqtt_version = 3
    job_replies = "accepted"
    reads_deployment_shadow = True
    first_sequence_number = 0
    status_repetitions = 1
    pauses = Pauses(restart_seconds=0.0, settle_seconds=1.0, health_seconds=10.0)
    has_shutdown = True
    has_recover = True
    has_uninstall = True
    installs_at_launch = True
    reads_recipe_file = False
    reports_all_components = False
    resolves_one_by_one = False
    needs_posix_user = False
    longest_recipe_bytes = None
    longest_document_bytes = None
    interpolation_is_optional = True
    resolves_other_components = True
    limits_waits = False
    unbinding_statuses = frozenset({"ERRORED", "BROKEN"})
    restarts_bound = True

    def platform_name(self) -> str:
        """Return the platform name in a request for component versions."""
        return "core"

    def own_manifest(self, recipe: Recipe) -> Mapping[str, Any] | None:
        """Return the first manifest that fits, or None; an omitted attribute fits every device."""
        return first_fitting(recipe, runtime=self.runtime)

    def raw_step(self, recipe: Recipe, name: str) -> Mapping[str, Any] | None:
        """Return a step of the manifest's or the recipe's lifecycle; keys are case-insensitive.

        The result is None if the step is missing.
        """
        return _step(self._lifecycle(recipe), name)

    def start_of(self, recipe: Recipe) -> StartType:
        """Return the start type; a component without a startup or run step finishes immediately."""
        if recipe.get("ComponentType") == _LAMBDA:
            return StartType.LAMBDA
        if self.raw_step(recipe, "startup"):
            return StartType.STARTUP
        return StartType.RUN if self.raw_step(recipe, "run") else StartType.NOTHING

    def folder(self, path: Path) -> str:
        """Return the path as a string, without a trailing slash."""
        return str(path)

    def recipe_file(self, layout: Layout, name: str, version: str) -> Path:
        """Return the path of the recipe, whose file name is `name@version.recipe.json`."""
        return layout.recipes / f"{name}@{version}{_RECIPE_SUFFIX}"

    def parse_recipe_file(self, file_name: str) -> tuple[str, str]:
        """Return the component and version of a file name, in which an at sign separates them."""
        name, _, version = file_name.removesuffix(_RECIPE_SUFFIX).partition("@")
        return name, version

    def change(
        self, running: Deployable | None, desired: Deployable, *, works: bool, is_configured: bool
    ) -> ComponentChange:
        """Return the change of the component: REINSTALL, RESTART or NONE.

        A new component, another version, another install step or a failure causes REINSTALL. Other
        changes of the lifecycle cause RESTART, except changes of shutdown and bootstrap steps.
        Configuration values count only if the lifecycle refers to them, so `accessControl` has no
        effect.
        """
        del is_configured
        if running is None or not works or running.version != desired.version:
            return ComponentChange.REINSTALL
        if self._resolved(running, {"install"}) != self._resolved(desired, {"install"}):
            return ComponentChange.REINSTALL
        others = {name for name in self._names(desired) if name not in _STEPS_OF_OWN_RULES}
        if self._resolved(running, others) != self._resolved(desired, others):
            return ComponentChange.RESTART
        return ComponentChange.NONE

    def plan(
        self,
        running: Mapping[str, Recipe],
        desired: Mapping[str, Recipe],
        changes: Mapping[str, ComponentChange],
    ) -> UpdatePlan:
        """Return the update plan in the order of the HARD dependencies."""
        return classic_plan(running, desired, changes)

    def restarts(
        self, running: Mapping[str, Deployable], desired: Mapping[str, Deployable]
    ) -> bool:
        """Return whether the update restarts the nucleus.

        The nucleus restarts to run a bootstrap step, and if a plugin or the nucleus component is
        removed or gets another version.
        """
        return bool(self.bootstrap_names(running, desired)) or any(
            component.recipe.get("ComponentType") in {_PLUGIN, _NUCLEUS}
            and (name not in desired or desired[name].version != component.version)
            for name, component in running.items()
        )

    def bootstrap_names(
        self, running: Mapping[str, Deployable], desired: Mapping[str, Deployable]
    ) -> list[str]:
        """Return the components whose bootstrap step must run, in dependency order.

        The step must run if it has changed, or if the component is new or has another version.
        """
        return [
            name
            for name in in_order({name: deployable.recipe for name, deployable in desired.items()})
            if self.raw_step(desired[name].recipe, "bootstrap")
            and (
                name not in running
                or running[name].version != desired[name].version
                or self._resolved(running[name], {"bootstrap"})
                != self._resolved(desired[name], {"bootstrap"})
            )
        ]

    def bound_to(self, recipe: Recipe) -> set[str]:
        """Return the HARD dependencies; a dependency without a type is HARD."""
        return hard_dependencies(recipe, "HARD")

    def started_along(self, recipe: Recipe) -> set[str]:
        """Return an empty set: classic does not start a finished dependency again."""
        del recipe
        return set()

    def is_broken(self, starts: Sequence[float], failures: Sequence[float]) -> bool:
        """Return whether the last failure makes a component BROKEN; see `is_third_failure`."""
        del starts
        return is_third_failure(failures)

    def refuses_start(self, starts: Sequence[float], now: float) -> bool:
        """Return False: on classic, the start of a component does not start other components."""
        del starts, now
        return False

    def rolls_back(self, document: Mapping[str, Any]) -> bool:
        """Return whether the deployment's failure policy is ROLLBACK, the service's default."""
        return bool(document.get("failureHandlingPolicy", "ROLLBACK") == "ROLLBACK")

    def failure_status(self, *, changed: bool) -> str:
        """Return the status of a failed deployment; `changed` is true if the device was changed."""
        return "FAILED_ROLLBACK_NOT_REQUESTED" if changed else "FAILED_NO_STATE_CHANGE"

    def job_details(self, details: Mapping[str, str]) -> dict[str, Any]:
        """Return all details, shortened to the length that IoT jobs accept."""
        return {"statusDetails": {key: text[:_LONGEST_DETAIL] for key, text in details.items()}}

    def deployment_details(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """Return all details without a change."""
        return dict(details)

    def unchanged_roots(
        self, roots: Sequence[str], reported: set[str], *, succeeded: bool
    ) -> list[str]:
        """Return the root components that the message does not contain; none after a failure."""
        return [name for name in roots if name not in reported] if succeeded else []

    def component_entry(self, component: Reported) -> dict[str, Any]:
        """Return the entry of a component, with details if the component has an error."""
        entry: dict[str, Any] = {
            "componentName": component.name,
            "version": component.version,
            "fleetConfigArns": list(component.arns),
            "isRoot": component.is_root,
            "status": component.status,
        }
        if component.status in {"ERRORED", "BROKEN"}:
            entry["componentStatusDetails"] = {
                "statusCodes": list(component.codes),
                "statusReason": component.reason,
            }
        return entry

    def trigger(self, status: str, *, deploying: bool) -> str | None:
        """Return the trigger for ERRORED, and for BROKEN outside a deployment; otherwise None."""
        if status == "ERRORED":
            return "ERRORED_COMPONENT"
        return "BROKEN_COMPONENT" if status == "BROKEN" and not deploying else None

    def passes_credentials(self, recipe: Recipe, running: set[str]) -> bool:
        """Return whether the token exchange service runs on the device."""
        del recipe
        return _TOKEN_EXCHANGE in running

    def run_limits(self, timeout_seconds: float | None) -> tuple[float | None, float]:
        """Return, in seconds, the step's timeout as the limit of its run, and the stop timeout."""
        return timeout_seconds, _STOP_SECONDS

    def matches(self, pattern: str, topic: str) -> bool:
        """Return whether the topic matches the pattern by MQTT's rules, or by the wildcard `*`."""
        return matches_as_mqtt(pattern, topic)

    def _lifecycle(self, recipe: Recipe) -> Mapping[str, Any]:
        manifest = self.own_manifest(recipe) or {}
        return manifest.get("Lifecycle") or recipe.get("Lifecycle") or {}

    def _names(self, component: Deployable) -> set[str]:
        return {name.lower() for name in self._lifecycle(component.recipe)}

    def _resolved(self, component: Deployable, names: set[str]) -> str:
        """Return the named lifecycle steps as JSON, with the values of the configuration."""
        lifecycle = self._lifecycle(component.recipe)
        parts = {name: value for name, value in lifecycle.items() if name.lower() in names}
        return with_configuration(json.dumps(parts, sort_keys=True), component.configuration)


def is_third_failure(failures: Sequence[float]) -> bool:
    """Return whether the last failure is the third, which makes a component BROKEN.

    A failure at least an hour after the previous one restarts the count.

    Args:
        failures: times of all failures, in seconds, oldest first.
    """
    count = 0
    for position, failed_at in enumerate(failures):
        recent = position and failed_at - failures[position - 1] < _FAILURE_RESET_SECONDS
        count = count + 1 if recent else 1
    return count >= _MAX_FAILURES


def _step(lifecycle: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    setenv = _environment(lifecycle)
    for key, value in lifecycle.items():
        if key.lower() != name:
            continue
        if isinstance(value, Mapping):
            members = {member.lower(): item for member, item in value.items()}
            if not members.get("script"):
                return None
            return {**members, "setenv": {**setenv, **(members.get("setenv") or {})}}
        return {"script": value, "setenv": setenv} if value else None
    return None


def _environment(lifecycle: Mapping[str, Any]) -> Mapping[str, Any]:
    variables = {key.lower(): value for key, value in lifecycle.items()}.get("setenv")
    return variables if isinstance(variables, Mapping) else {}
