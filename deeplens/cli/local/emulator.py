"""Commands of the emulator, which run in its Python environment, `.venv-local-aws`."""

import os
import subprocess
from pathlib import Path

import click

_ROOT = Path(__file__).resolve().parents[3]
_INTERPRETER = _ROOT / ".venv-local-aws" / "bin" / "python"


class _EmulatorCommand(click.Command):
    """A command that passes its arguments, `--help` included, to the emulator."""

    def __init__(self, name: str) -> None:
        super().__init__(
            name,
            callback=self._run,
            params=[click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
            context_settings={"ignore_unknown_options": True, "help_option_names": []},
        )

    def _run(self, arguments: tuple[str, ...]) -> None:
        if not _INTERPRETER.is_file():
            raise click.ClickException(
                f"the emulator is not installed in {_ROOT}: run `make setup` in a checkout"
            )
        paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH")]))
        words = [str(_INTERPRETER), "-m", "local_aws", str(self.name), *arguments]
        if {"-h", "--help"} & {*arguments}:
            shown = subprocess.run(  # noqa: S603 - a command of this project
                words, cwd=_ROOT, stdout=subprocess.PIPE, text=True, check=True
            )
            click.echo(shown.stdout.replace("python -m local_aws", "deeplens local"), nl=False)
            return
        os.execve(_INTERPRETER, words, {**os.environ, "PYTHONPATH": paths})  # noqa: S606 - no shell


up, down, status, env, reset, core, record = (
    _EmulatorCommand(name) for name in ("up", "down", "status", "env", "reset", "core", "record")
)
