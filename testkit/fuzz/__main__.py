"""Fuzz what reads files from outside, guided by coverage; `make fuzz` gives it what it needs.

New inputs that reach new code join testkit/fuzz/corpus. An input that breaks something
is printed and kept below build/fuzz: add it to the corpus with the repair.

Exit codes: 0 nothing broke, 1 something did, 2 wrong usage.
"""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import click

from testkit.fuzz.targets import CORPUS, TARGETS

_FLAGS = ("-max_len=8192", "-rss_limit_mb=1024", "-timeout=10", "-verbosity=0", "-reduce_inputs=0")


@click.command(help=__doc__)
@click.argument("targets", nargs=-1, type=click.Choice(sorted(TARGETS)))
@click.option("--seconds", default=30, show_default=True, help="For each target.")
def main(targets: tuple[str, ...], seconds: int) -> None:
    """Fuzz each target and keep what was learned; exit with 1 when one broke."""
    broken = [name for name in targets or TARGETS if not _fuzz(name, seconds)]
    if broken:
        click.echo(f"broke: {', '.join(broken)}; the inputs are below build/fuzz", err=True)
        sys.exit(1)


def _fuzz(name: str, seconds: int) -> bool:
    kept = CORPUS / name
    before = len(list(kept.iterdir()))
    prefix = Path("build/fuzz") / f"{name}-"
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-new-") as new:
        held = _libfuzzer(
            name, f"-artifact_prefix={prefix}", f"-max_total_time={seconds}", new, str(kept)
        )
        # libFuzzer writes what reaches new code, and nothing else, to the first folder.
        shutil.copytree(new, kept, dirs_exist_ok=True)
    click.echo(
        f"{name}: {'held' if held else 'BROKE'}, corpus {before} → {len(list(kept.iterdir()))}"
    )
    return held


def _libfuzzer(name: str, *arguments: str) -> bool:
    command = [sys.executable, "-m", "testkit.fuzz.fuzz", name, *_FLAGS, *arguments]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        click.echo(ran.stdout + ran.stderr[-2000:], err=True)
    return ran.returncode == 0


if __name__ == "__main__":
    main()
