"""The differences between the nuclei, as an interface that `classic.py` and `lite.py` implement.

No other module distinguishes the nuclei.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Literal

from local_aws.core_device.layout import CoreRuntime, Layout
from local_aws.core_device.update_plan import ComponentChange, Recipe, UpdatePlan

Kind = CoreRuntime


class StartType(Enum):
    """The way in which a component starts."""

    LAMBDA = "the process of a Lambda function"
    STARTUP = "a startup step that ends"
    NOTIFY = "a startup step that notifies its unit"
    RUN = "a run step"
    NOTHING = "without a step"
    NO_UNIT = "without a step, and so without a unit"


@dataclass(frozen=True)
class Pauses:
    """Delays of a nucleus, in seconds.

    Attributes:
        restart_seconds: the delay before a failed component starts again.
        settle_seconds: the delay between a deployment's last start and the first check.
        unit_seconds: the longest wait of nucleus lite for an install step or a unit.
        health_seconds: the shortest time between two health messages.
        cadence_seconds: the time between two periodic messages with all components.
    """

    restart_seconds: float
    settle_seconds: float
    unit_seconds: float = 300.0
    health_seconds: float = 0.0
    cadence_seconds: float = 86_400.0


@dataclass(frozen=True)
class Deployable:
    """One component version with its configuration, to compare running and desired components."""

    name: str
    version: str
    recipe: Recipe
    configuration: Mapping[str, Any]


@dataclass(frozen=True)
class Reported:
    """One component in a health message.

    Attributes:
        arns: configuration ARNs of the deployments that contain the component; empty after removal.
        is_root: true if a deployment names the component.
        is_removed: true if the last deployment removed the component.
        codes: status codes of the component's last error.
        reason: text of the component's last error.
    """

    name: str
    version: str
    status: str
    arns: tuple[str, ...] = ()
    is_root: bool = False
    is_removed: bool = False
    codes: tuple[str, ...] = ()
    reason: str = ""


class Nucleus(ABC):
    """A Greengrass nucleus: constants, and functions without side effects."""

    kind: Kind
    # The version of the core software, which health messages contain as `ggcVersion`.
    version: str
    # The platform attribute `runtime` of the device, with which recipes select a manifest.
    runtime: str
    # Fields of a health message that only this nucleus sends.
    health_fields: Mapping[str, str]
    health_qos: int
    mqtt_version: Literal[3, 5]
    # The last level of the topic filter for replies to job requests.
    job_replies: str
    # True if the device also receives deployments whose target is its thing.
    reads_deployment_shadow: bool
    first_sequence_number: int
    # The number of messages that report one change of a component's status.
    status_repetitions: int
    pauses: Pauses
    # True if the nucleus runs the lifecycle step `shutdown`, `recover` or `uninstall`,
    # respectively.
    has_shutdown: bool
    has_recover: bool
    has_uninstall: bool
    # True if install steps run again when the nucleus starts.
    installs_at_launch: bool
    # True if the nucleus reads the recipe file of a component at each start of the component.
    reads_recipe_file: bool
    # True if a health message always contains all components.
    reports_all_components: bool
    # True if one request resolves only one component.
    resolves_one_by_one: bool
    # True if components require a `posix_user` in the device's configuration.
    needs_posix_user: bool
    # Maximum sizes of a recipe and of a job document, in bytes; None for the service's limits.
    longest_recipe_bytes: int | None
    longest_document_bytes: int | None
    # True if the nucleus' configuration must enable the replacement of `{iot:thingName}` in
    # policies.
    interpolation_is_optional: bool
    # True if variables of other components are replaced.
    resolves_other_components: bool
    # True if a deployment limits its wait for an install step or a unit to `Pauses.unit_seconds`.
    limits_waits: bool
    # The statuses of a failed component in which the nucleus stops the component's HARD dependents.
    unbinding_statuses: frozenset[str]
    # True if components that stopped with a dependency start again with the dependency.
    restarts_bound: bool

    @abstractmethod
    def platform_name(self) -> str:
        """Return the platform name in a request for component versions."""

    @abstractmethod
    def own_manifest(self, recipe: Recipe) -> Mapping[str, Any] | None:
        """Return the recipe's manifest for this device; None if no manifest fits."""

    @abstractmethod
    def raw_step(self, recipe: Recipe, name: str) -> Mapping[str, Any] | None:
        """Return `script`, `timeout` and `setenv` of a lifecycle step; None for a missing step."""

    @abstractmethod
    def start_of(self, recipe: Recipe) -> StartType:
        """Return the start type of a component."""

    @abstractmethod
    def folder(self, path: Path) -> str:
        """Return a folder as the value of a recipe variable."""

    @abstractmethod
    def recipe_file(self, layout: Layout, name: str, version: str) -> Path:
        """Return the path of a component version's recipe."""

    @abstractmethod
    def parse_recipe_file(self, file_name: str) -> tuple[str, str]:
        """Return the component and version from the file name of a recipe."""

    @abstractmethod
    def change(
        self, running: Deployable | None, desired: Deployable, *, works: bool, is_configured: bool
    ) -> ComponentChange:
        """Return the change that a deployment makes to a component.

        Args:
            running: the version on the device; None if the component is not installed.
            desired: the version in the deployment.
            works: True if the running version runs, has finished, or is being restarted.
            is_configured: True if the deployment has a `configurationUpdate` for the component.
        """

    @abstractmethod
    def plan(
        self,
        running: Mapping[str, Recipe],
        desired: Mapping[str, Recipe],
        changes: Mapping[str, ComponentChange],
    ) -> UpdatePlan:
        """Return the actions of an update in their order."""

    @abstractmethod
    def restarts(
        self, running: Mapping[str, Deployable], desired: Mapping[str, Deployable]
    ) -> bool:
        """Return whether an update requires a restart of the nucleus."""

    @abstractmethod
    def bootstrap_names(
        self, running: Mapping[str, Deployable], desired: Mapping[str, Deployable]
    ) -> list[str]:
        """Return the components whose bootstrap steps an update runs, in their order."""

    @abstractmethod
    def bound_to(self, recipe: Recipe) -> set[str]:
        """Return the components without which a component cannot run."""

    @abstractmethod
    def started_along(self, recipe: Recipe) -> set[str]:
        """Return the dependencies that each start of a component also starts."""

    @abstractmethod
    def is_broken(self, starts: Sequence[float], failures: Sequence[float]) -> bool:
        """Return whether the component is BROKEN after its last failure.

        Args:
            starts: times of the starts of one step, in seconds, oldest first.
            failures: times of the step's failures, in seconds, oldest first.
        """

    @abstractmethod
    def refuses_start(self, starts: Sequence[float], now: float) -> bool:
        """Return whether the nucleus rejects a start at `now` that another component causes."""

    @abstractmethod
    def rolls_back(self, document: Mapping[str, Any]) -> bool:
        """Return whether the device rolls back a failed deployment."""

    @abstractmethod
    def failure_status(self, *, changed: bool) -> str:
        """Return the detailed status of a failed deployment that is not rolled back."""

    @abstractmethod
    def job_details(self, details: Mapping[str, str]) -> dict[str, Any]:
        """Return the members of a job update, except its status."""

    @abstractmethod
    def deployment_details(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """Return the `statusDetails` of a deployment in a health message."""

    @abstractmethod
    def unchanged_roots(
        self, roots: Sequence[str], reported: set[str], *, succeeded: bool
    ) -> list[str]:
        """Return `unchangedRootComponents` of a deployment in a health message."""

    @abstractmethod
    def component_entry(self, component: Reported) -> dict[str, Any]:
        """Return the entry of a component in a health message."""

    @abstractmethod
    def trigger(self, status: str, *, deploying: bool) -> str | None:
        """Return the trigger of the health message for a status; None if no message is sent."""

    @abstractmethod
    def passes_credentials(self, recipe: Recipe, running: set[str]) -> bool:
        """Return whether a component can request credentials of the token exchange service."""

    @abstractmethod
    def run_limits(self, timeout_seconds: float | None) -> tuple[float | None, float]:
        """Return the limit of a run step (None: no limit) and the stop timeout, both in seconds."""

    @abstractmethod
    def matches(self, pattern: str, topic: str) -> bool:
        """Return whether a resource of an IPC policy matches a topic."""

    def health_type(self, trigger: str) -> str:
        """Return COMPLETE for a launch, a periodic report or a new network, otherwise PARTIAL."""
        complete = {"NUCLEUS_LAUNCH", "CADENCE", "NETWORK_RECONFIGURE"}
        return "COMPLETE" if trigger in complete else "PARTIAL"
