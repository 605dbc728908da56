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
        restart_seconds: before a component that failed starts again.
        settle_seconds: from the last start of a deployment to the first check of the components.
        unit_seconds: the longest wait for an install step or for a unit of nucleus lite.
        health_seconds: the shortest time between two health messages.
        cadence_seconds: between two complete health messages.
    """

    restart_seconds: float
    settle_seconds: float
    unit_seconds: float = 300.0
    health_seconds: float = 0.0
    cadence_seconds: float = 86_400.0


@dataclass(frozen=True)
class Deployable:
    """One component version with its configuration, as a deployment requires it."""

    name: str
    version: str
    recipe: Recipe
    configuration: Mapping[str, Any]


@dataclass(frozen=True)
class Reported:
    """One component in a health message.

    Attributes:
        arns: configuration ARNs of the deployments that contain it; empty if it was removed.
        is_root: whether a deployment names it.
        is_removed: whether the last deployment removed it.
        codes: status codes of its last error.
        reason: text of its last error.
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
    """One Greengrass nucleus: constants, and functions without side effects."""

    kind: Kind
    # The version of the core software, `ggcVersion` in health messages.
    version: str
    # Platform attribute of the device, which recipes compare with.
    runtime: str
    # Fields of a health message that the other nucleus does not send.
    health_fields: Mapping[str, str]
    health_qos: int
    mqtt_version: Literal[3, 5]
    # The last part of the topic filter for replies to requests about jobs.
    job_replies: str
    # Whether it carries out deployments for its thing alone.
    reads_deployment_shadow: bool
    first_sequence_number: int
    # How often one change of a component's status is reported.
    status_repetitions: int
    pauses: Pauses
    # Steps in addition to install, startup and run.
    has_shutdown: bool
    has_recover: bool
    has_uninstall: bool
    # Whether install steps run again when the nucleus starts.
    installs_at_launch: bool
    # Whether each start of a component reads the file of its recipe.
    reads_recipe_file: bool
    # Whether a health message always contains all components.
    reports_all_components: bool
    # Whether one request resolves one component only.
    resolves_one_by_one: bool
    # Whether components cannot run if the device's configuration has no user for them.
    needs_posix_user: bool
    # The longest recipe, and the longest job document, in bytes; None: the service's limits.
    longest_recipe_bytes: int | None
    longest_document_bytes: int | None
    # Whether `{iot:thingName}` in policies is replaced only if the nucleus is configured so.
    interpolation_is_optional: bool
    # Whether variables of other components are replaced.
    resolves_other_components: bool
    # Whether a deployment waits `Pauses.unit_seconds` for an install step, and for a unit.
    limits_waits: bool
    # A component with one of these statuses stops the components that are bound to it.
    unbinding_statuses: frozenset[str]
    # Whether components that stopped with their dependency start again with it.
    restarts_bound: bool

    @abstractmethod
    def platform_name(self) -> str:
        """Return the name in the `platform` of a request for component versions."""

    @abstractmethod
    def own_manifest(self, recipe: Recipe) -> Mapping[str, Any] | None:
        """Return the manifest of a recipe for this device; None if it has none."""

    @abstractmethod
    def raw_step(self, recipe: Recipe, name: str) -> Mapping[str, Any] | None:
        """Return `script`, `timeout` and `setenv` of a lifecycle step; None if it has none."""

    @abstractmethod
    def start_of(self, recipe: Recipe) -> StartType:
        """Return how a component starts."""

    @abstractmethod
    def folder(self, path: Path) -> str:
        """Return the value of a recipe variable that is a folder."""

    @abstractmethod
    def recipe_file(self, layout: Layout, name: str, version: str) -> Path:
        """Return where the recipe of a component version is stored."""

    @abstractmethod
    def parse_recipe_file(self, file_name: str) -> tuple[str, str]:
        """Return the component and version that a stored recipe's name stands for."""

    @abstractmethod
    def change(
        self, running: Deployable | None, desired: Deployable, *, works: bool, is_configured: bool
    ) -> ComponentChange:
        """Return what a deployment does with a component.

        Args:
            running: the version on the device, if it has one.
            desired: the version of the deployment.
            works: whether the running version runs, has finished, or is being restarted.
            is_configured: whether the deployment has a `configurationUpdate` for it.
        """

    @abstractmethod
    def plan(
        self,
        running: Mapping[str, Recipe],
        desired: Mapping[str, Recipe],
        changes: Mapping[str, ComponentChange],
    ) -> UpdatePlan:
        """Return the actions of an update, in order."""

    @abstractmethod
    def restarts(
        self, running: Mapping[str, Deployable], desired: Mapping[str, Deployable]
    ) -> bool:
        """Return whether an update needs a restart of the nucleus."""

    @abstractmethod
    def bootstrap_names(
        self, running: Mapping[str, Deployable], desired: Mapping[str, Deployable]
    ) -> list[str]:
        """Return the components whose bootstrap step an update runs, in order."""

    @abstractmethod
    def bound_to(self, recipe: Recipe) -> set[str]:
        """Return the components that a component requires to run."""

    @abstractmethod
    def started_along(self, recipe: Recipe) -> set[str]:
        """Return the components that each start of a component also starts."""

    @abstractmethod
    def is_broken(self, starts: Sequence[float], failures: Sequence[float]) -> bool:
        """Return whether the component is BROKEN after its last failure.

        Args:
            starts: times of the starts of one step, in seconds, oldest first.
            failures: times of its failures, oldest first.
        """

    @abstractmethod
    def refuses_start(self, starts: Sequence[float], now: float) -> bool:
        """Return whether a component that is started along cannot start at `now`."""

    @abstractmethod
    def rolls_back(self, document: Mapping[str, Any]) -> bool:
        """Return whether a deployment that failed is rolled back on the device."""

    @abstractmethod
    def failure_status(self, *, changed: bool) -> str:
        """Return the detailed status of a failed deployment that is not rolled back."""

    @abstractmethod
    def job_details(self, details: Mapping[str, str]) -> dict[str, Any]:
        """Return the members of a job update other than its status."""

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
        """Return a component as a health message contains it."""

    @abstractmethod
    def trigger(self, status: str, *, deploying: bool) -> str | None:
        """Return the trigger of the health message for a changed status; None: no message."""

    @abstractmethod
    def passes_credentials(self, recipe: Recipe, running: set[str]) -> bool:
        """Return whether a component can request credentials of the token exchange service."""

    @abstractmethod
    def run_limits(self, timeout_seconds: float | None) -> tuple[float | None, float]:
        """Return the longest run of a run step, and how long it may take to stop, in seconds."""

    @abstractmethod
    def matches(self, pattern: str, topic: str) -> bool:
        """Compare a resource of an IPC policy with a topic."""

    def health_type(self, trigger: str) -> str:
        """Return COMPLETE for a message about all components, else PARTIAL."""
        complete = {"NUCLEUS_LAUNCH", "CADENCE", "NETWORK_RECONFIGURE"}
        return "COMPLETE" if trigger in complete else "PARTIAL"
