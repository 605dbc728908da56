"""A click group that imports the module of a command when the command runs."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """A group that imports a command on demand, so that its own `--help` and completion are fast.

    Args:
        lazy: the help line of each command, by the command's name.
        package: the package with a module for each command; a module and its command share a name.
        targets: `module:name` of the commands in other modules, by the command's name.
    """

    def __init__(
        self,
        *args: Any,
        lazy: Mapping[str, str],
        package: str = "",
        targets: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lazy, self._package, self._targets = lazy, package, targets or {}

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands in the order of `lazy`."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """Import and return a command; None if the group has no such command."""
        if cmd_name not in self._lazy:
            return None
        name = cmd_name.replace("-", "_")
        target = self._targets.get(cmd_name, f"{self._package}.{name}:{name}")
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's signature
        """Write the list of commands without importing their modules."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lazy.items()))
