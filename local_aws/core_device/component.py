"""One component version on the device, and the interface of the core to its components."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local_aws.core_device.layout import Identity, Layout
from local_aws.core_device.nucleus import Deployable, Nucleus, Pauses
from local_aws.core_device.steps import LambdaProcess, Problem, Script

if TYPE_CHECKING:
    import asyncio


# Components are compared by identity, because two components with equal fields have different
# processes.
@dataclass(eq=False)
class InstalledComponent:
    """One component version on this device.

    Attributes:
        dependencies: the deployed versions of the component's dependencies, by name.
        starts: times of the component's starts since the last deployment, in seconds.
        failures: times of failures while the component was running, in seconds.
    """

    name: str
    version: str
    recipe: dict[str, Any]
    configuration: dict[str, Any]
    dependencies: dict[str, str] = field(default_factory=dict)
    status: str = "NEW"
    reason: str = ""
    codes: tuple[str, ...] = ()
    starts: list[float] = field(default_factory=list, repr=False)
    failures: list[float] = field(default_factory=list, repr=False)
    process: LambdaProcess | Script | None = field(default=None, repr=False)
    watch: "asyncio.Task[None] | None" = field(default=None, repr=False)

    @property
    def works(self) -> bool:
        """Return whether the component is running, has finished, or is being restarted."""
        restarts = self.status == "ERRORED" and self.watch is not None and not self.watch.done()
        return restarts or self.status in {"RUNNING", "FINISHED"}

    @property
    def deployable(self) -> Deployable:
        """Return the version and its configuration as a `Deployable`."""
        return Deployable(self.name, self.version, self.recipe, self.configuration)

    @property
    def title(self) -> str:
        """Return the name and version for logs and errors."""
        return f"{self.name} {self.version}"

    def to_json(self) -> dict[str, Any]:
        """Return the record from which the core restores the component at its next start."""
        return {
            "name": self.name,
            "version": self.version,
            "recipe": self.recipe,
            "configuration": self.configuration,
            "dependencies": self.dependencies,
        }


@dataclass(frozen=True)
class Host:
    """The parts of the core that the lifecycle and the processes of its components use.

    Attributes:
        running: the components on the device, by name.
        admit: `admit(token, component)` lets a component use the IPC and credentials.
        status_changed: called after each change of a component's status.
        removed: called when a component is no longer on the device.
        launched: called when the nucleus has restarted.
    """

    nucleus: Nucleus
    pauses: Pauses
    layout: Layout
    identity: Identity
    sockets: Path
    ca_file: str
    credentials_url: str
    interpreter: Path
    camera_folder: Path | None
    running: dict[str, InstalledComponent]
    admit: Callable[[str, str], None]
    status_changed: Callable[[InstalledComponent], None]
    removed: Callable[[InstalledComponent], None]
    launched: Callable[[], None]

    @property
    def ipc_socket(self) -> Path:
        """Return the path of the IPC socket."""
        return self.sockets / "ipc.sock"

    def set_status(
        self, component: InstalledComponent, status: str, problem: Problem | None = None
    ) -> None:
        """Change the status and the error of a component, and call `status_changed`."""
        component.status = status
        component.reason = problem.text if problem else ""
        component.codes = (problem.code,) if problem else ()
        self.status_changed(component)
