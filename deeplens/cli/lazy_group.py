"""A group of commands whose modules are imported when one of them runs."""

import importlib
from collections.abc import Mapping
from typing import Any

import click


class LazyGroup(click.Group):
    """Imports a command when it runs, so that `--help` and completion are fast.

    Args:
        lazy: the line of each command in the help of the group, by its name.
        package: contains a module for each command, in which a click command has the same name.
        targets: `module:name` of the commands that are elsewhere.
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

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - of click
        """Return the names in the order in which they are declared."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - of click
        """Return a command, imported, or None if the group has no such command."""
        if cmd_name not in self._lazy:
            return None
        name = cmd_name.replace("-", "_")
        target = self._targets.get(cmd_name, f"{self._package}.{name}:{name}")
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - of click
        """Write the list of commands without importing their modules."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lazy.items()))
