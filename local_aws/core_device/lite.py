"""Nucleus lite, which is written in C and runs components as systemd units.

Sources: aws-greengrass-lite 2.6.0 (recipe2unit, ggdeploymentd, gghealthd, gg-fleet-statusd,
ggl-config-interpolation), its docs/RECIPE_SUPPORT_CHANGES.md, and measurements of 2026-11-30 in
docs/real-device.md.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from local_aws.core_device.layout import Layout
from local_aws.core_device.mqtt_proxy import matches_as_text
from local_aws.core_device.nucleus import Deployable, Nucleus, Pauses, Reported, StartType
from local_aws.core_device.recipe import first_fitting
from local_aws.core_device.update_plan import (
    ComponentChange,
    Recipe,
    UpdatePlan,
    dependency_types,
    hard_dependencies,
    lite_plan,
)

_TOKEN_EXCHANGE = "aws.greengrass.TokenExchangeService"  # noqa: S105 - the name of a component
_STEP_KEYS = {"Script": "script", "Timeout": "timeout", "Setenv": "setenv"}
_DEFAULT_STOP_SECONDS = 120.0
# The maximum number of starts within the interval: `StartLimitBurst` and `StartLimitInterval` in
# the units that recipe2unit writes.
_START_LIMIT = 3
_START_LIMIT_SECONDS = 3600.0
_FINAL_STATUSES = {"RUNNING", "FINISHED", "ERRORED", "BROKEN"}


class Lite(Nucleus):
    """The behavior of nucleus lite."""

    kind = "lite"
    version = "2.6.0"
    runtime = "aws_nucleus_lite"
    health_fields: Mapping[str, str] = {"runtime": "aws_nucleus_lite"}
    health_qos = 0
    mqtt_version = 5
    job_replies = "+"
    reads_deployment_shadow = False
    first_sequence_number = 1
    status_repetitions = 5
    pauses = Pauses(restart_seconds=1.0, settle_seconds=5.0)
    has_shutdown = False
    has_recover = False
    has_uninstall = False
    installs_at_launch = False
    reads_recipe_file = True
    reports_all_components = True
    resolves_one_by_one = True
    needs_posix_user = True
    longest_recipe_bytes = 12_000
    longest_document_bytes = 4_096
    interpolation_is_optional = False
    resolves_other_components = False
    limits_waits = True
    unbinding_statuses = frozenset({"ERRORED", "BROKEN"})
    restarts_bound = False

    def platform_name(self) -> str:
        """Return the platform name in a request for component versions."""
        return "linux"

    def own_manifest(self, recipe: Recipe) -> Mapping[str, Any] | None:
        """Return the first manifest that fits, or None; manifests without a runtime are skipped."""
        return first_fitting(recipe, runtime=self.runtime, required=("runtime",))

    def raw_step(self, recipe: Recipe, name: str) -> Mapping[str, Any] | None:
        """Return a step of the manifest's lifecycle; keys are case-sensitive."""
        lifecycle = (self.own_manifest(recipe) or {}).get("Lifecycle") or {}
        value = lifecycle.get(name)
        if isinstance(value, Mapping):
            step = {own: value[key] for key, own in _STEP_KEYS.items() if key in value}
        else:
            step = {"script": value}
        if not step.get("script"):
            return None
        shared = lifecycle.get("Setenv") or {}
        return {**step, "setenv": {**shared, **(step.get("setenv") or {})}}

    def start_of(self, recipe: Recipe) -> StartType:
        """Return the start type; a component without a startup or run step has no unit."""
        if self.raw_step(recipe, "startup"):
            return StartType.NOTIFY
        return StartType.RUN if self.raw_step(recipe, "run") else StartType.NO_UNIT

    def folder(self, path: Path) -> str:
        """Return the path with a trailing slash; `{artifacts:path}/x` then contains two slashes."""
        return f"{path}/"

    def recipe_file(self, layout: Layout, name: str, version: str) -> Path:
        """Return the path of the recipe; the file name is `name-version.json`."""
        return layout.recipes / f"{name}-{version}.json"

    def parse_recipe_file(self, file_name: str) -> tuple[str, str]:
        """Split a file name at the last hyphen; the result is wrong for a version with a hyphen."""
        name, _, version = file_name.removesuffix(".json").rpartition("-")
        return name, version

    def change(
        self, running: Deployable | None, desired: Deployable, *, works: bool, is_configured: bool
    ) -> ComponentChange:
        """Return NONE for the same working version without `configurationUpdate`, else REINSTALL.

        A `configurationUpdate` causes REINSTALL even if it does not change a value.
        """
        same = running is not None and running.version == desired.version
        return (
            ComponentChange.NONE
            if same and works and not is_configured
            else ComponentChange.REINSTALL
        )

    def plan(
        self,
        running: Mapping[str, Recipe],
        desired: Mapping[str, Recipe],
        changes: Mapping[str, ComponentChange],
    ) -> UpdatePlan:
        """Return the update plan, in which all install steps are first."""
        return lite_plan(running, desired, changes)

    def restarts(
        self, running: Mapping[str, Deployable], desired: Mapping[str, Deployable]
    ) -> bool:
        """Return False: nucleus lite has no plugins."""
        del running, desired
        return False

    def bootstrap_names(
        self, running: Mapping[str, Deployable], desired: Mapping[str, Deployable]
    ) -> list[str]:
        """Return an empty list: the emulator does not support bootstrap steps of nucleus lite."""
        del running, desired
        return []

    def bound_to(self, recipe: Recipe) -> set[str]:
        """Return the dependencies with an explicit type HARD, for which the unit has `BindsTo=`."""
        return hard_dependencies(recipe, None)

    def started_along(self, recipe: Recipe) -> set[str]:
        """Return the SOFT dependencies, for which the unit has `Wants=`."""
        return {name for name, kind in dependency_types(recipe, None).items() if kind == "SOFT"}

    def is_broken(self, starts: Sequence[float], failures: Sequence[float]) -> bool:
        """Return whether systemd would reject the next start of the unit."""
        return is_start_limit_hit(starts, failures[-1])

    def refuses_start(self, starts: Sequence[float], now: float) -> bool:
        """Return whether the unit has reached its start limit."""
        return is_start_limit_hit(starts, now)

    def rolls_back(self, document: Mapping[str, Any]) -> bool:
        """Return False: nucleus lite ignores the failure handling policy."""
        del document
        return False

    def failure_status(self, *, changed: bool) -> str:
        """Return the status, which is the same for all failed deployments."""
        del changed
        return "FAILED_ROLLBACK_NOT_REQUESTED"

    def job_details(self, details: Mapping[str, str]) -> dict[str, Any]:
        """Return an empty object: a job update of lite contains only a status."""
        del details
        return {}

    def deployment_details(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """Return only the detailed status."""
        return {"detailedStatus": details["detailedStatus"]}

    def unchanged_roots(
        self, roots: Sequence[str], reported: set[str], *, succeeded: bool
    ) -> list[str]:
        """Return an empty list: each message of lite contains all components."""
        del roots, reported, succeeded
        return []

    def component_entry(self, component: Reported) -> dict[str, Any]:
        """Return the entry of a component, which has no details and is always a root."""
        return {
            "componentName": component.name,
            "version": "" if component.is_removed else component.version,
            "fleetConfigArns": list(component.arns),
            "isRoot": True,
            "status": "UNINSTALLED" if component.is_removed else component.status,
        }

    def trigger(self, status: str, *, deploying: bool) -> str | None:
        """Return the trigger for a final status; None for other statuses or during a deployment."""
        return None if deploying or status not in _FINAL_STATUSES else "COMPONENT_STATUS_CHANGE"

    def passes_credentials(self, recipe: Recipe, running: set[str]) -> bool:
        """Return whether the component depends on the token exchange service."""
        del running
        return _TOKEN_EXCHANGE in dependency_types(recipe, None)

    def run_limits(self, timeout_seconds: float | None) -> tuple[float | None, float]:
        """Return no limit for the run, and the step's timeout (default: 120 s) as stop timeout."""
        return None, _DEFAULT_STOP_SECONDS if timeout_seconds is None else timeout_seconds

    def matches(self, pattern: str, topic: str) -> bool:
        """Return whether the topic matches the pattern; only `*` is a wildcard."""
        return matches_as_text(pattern, topic)


def is_start_limit_hit(starts: Sequence[float], now: float) -> bool:
    """Return whether systemd rejects the start of a unit at `now`.

    systemd allows three starts within an hour. The hour begins with the first start
    (systemd.unit(5)).

    Args:
        starts: times of the starts since the last deployment, in seconds, oldest first.
        now: the time of the next start, in seconds.
    """
    began_at, count = None, 0
    for started_at in starts:
        if began_at is None or started_at - began_at > _START_LIMIT_SECONDS:
            began_at, count = started_at, 0
        count += 1
    return began_at is not None and now - began_at <= _START_LIMIT_SECONDS and count >= _START_LIMIT
