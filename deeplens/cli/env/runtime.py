"""`deeplens env runtime`: build the runtime archives, and pin them in an environment file."""

import json
from pathlib import Path

import click
import tomlkit
import tomlkit.exceptions
from rich.console import Console

from deeplens.cli.options import examples
from deeplens.runtime.archive import Built, build
from deeplens.runtime.device_environment import runtime_problem
from deeplens.runtime.errors import RuntimeBuildError
from deeplens.runtime.locked import locked_for
from deeplens.runtime.targets import TARGETS, Target
from deeplens.runtime.wheels import fetch
from model_tools.output_paths import OutputPath

ROOT = Path(__file__).resolve().parents[3]
_MIB = 1 << 20


@click.command(epilog=examples("env runtime --architecture arm64 --pin environments/dev.toml"))
@click.option(
    "--architecture",
    "architectures",
    type=click.Choice([target.architecture for target in TARGETS]),
    multiple=True,
    help="Build for this architecture only; may be repeated.  [default: all]",
)
@click.option(
    "--pin",
    type=OutputPath(exists=True, dir_okay=False),
    help="Environment file whose [runtime] gets the digests.",
)
@click.option(
    "--lock",
    type=click.Path(path_type=Path),
    default=ROOT / "requirements" / "runtime.txt",
    help="The lock file.  [default: requirements/runtime.txt]",
)
@click.option(
    "--folder",
    type=OutputPath(file_okay=False, free_mib=400),
    default=ROOT / ".local" / "runtime",
    help="Folder for wheels and archives.  [default: .local/runtime]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the digests as JSON.")
def runtime(
    architectures: tuple[str, ...], pin: Path | None, lock: Path, folder: Path, *, as_json: bool
) -> None:
    """Build the camera's Python environment as archives of wheels, one for each architecture.

    The same lock file results in the same bytes on any machine, so the pinned digest can be
    reproduced. Wheels are downloaded once.

    Exit codes: 0 built, 1 a wheel or the lock file is not valid, 2 wrong usage.
    """
    console = Console(stderr=True)
    targets = [
        target for target in TARGETS if not architectures or target.architecture in architectures
    ]
    if pin:
        # Report an invalid file before the downloads, which take minutes.
        _read(pin)
    built = [_built(target, lock, folder, console) for target in targets]
    if pin:
        _pin(pin, built)
    if as_json:
        click.echo(json.dumps({archive.architecture: archive.digest for archive in built}))
        return
    for archive in built:
        size = archive.path.stat().st_size / _MIB
        shown = _shown(archive.path)
        click.echo(f"{archive.architecture}  {archive.digest}  {size:.0f} MiB  {shown}")
    if pin:
        click.echo(f"{pin}: [runtime] has these digests")
        if problem := runtime_problem(ROOT):
            click.echo(f"note: `deeplens local demo` and `camera` will stop: {problem}", err=True)


def _built(target: Target, lock: Path, folder: Path, console: Console) -> Built:
    locked = locked_for(lock, target)
    with console.status(f"{target.architecture}: {len(locked)} wheels (about 150 MiB, once)"):
        wheels = fetch(locked, target, folder / "wheels" / target.architecture)
    with console.status(f"{target.architecture}: one archive"):
        return build(locked, wheels, target, folder)


def _pin(file: Path, built: list[Built]) -> None:
    """Write the digests into [runtime], and leave the rest of the file unchanged."""
    text, body, document = _read(file)
    section = document.setdefault("runtime", tomlkit.table())
    for archive in built:
        section[archive.architecture] = archive.digest
    changed = file.with_name(f".{file.name}.partial")
    mark = text[: len(text) - len(body)]
    changed.write_bytes(f"{mark}{tomlkit.dumps(document)}".encode())
    changed.replace(file)


def _read(file: Path) -> tuple[str, str, tomlkit.TOMLDocument]:
    """Return a TOML file's text, its text without a byte order mark, and its parsed content.

    Raises:
        RuntimeBuildError: the file is not a regular file, or is not valid TOML.
    """
    if file.exists() and not file.is_file():
        raise RuntimeBuildError(f"{file}: is not a regular file")
    try:
        text = file.read_bytes().decode()
        body = text.removeprefix("\ufeff")
        return text, body, tomlkit.parse(body)
    except (tomlkit.exceptions.TOMLKitError, UnicodeDecodeError) as error:
        raise RuntimeBuildError(f"{file}: not valid TOML: {error}") from None


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
