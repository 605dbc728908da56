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

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order in which they are declared."""
        return [*self._lazy, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, imported."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        name = cmd_name.replace("-", "_")
        target = self._targets.get(cmd_name, f"{self._package}.{name}:{name}")
        module, _, attribute = target.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing the modules of the lazy ones."""
        rows = list(self._lazy.items())
        limit = formatter.width - 6 - max(map(len, self.list_commands(ctx)))
        for name in super().list_commands(ctx):
            command = super().get_command(ctx, name)
            if command is not None and not command.hidden:
                rows.append((name, command.get_short_help_str(limit)))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
