"""Fuzz the readers of untrusted files, guided by coverage; `make fuzz` sets up the environment.

Inputs that reach new code are added to testkit/fuzz/corpus. An input that causes an error
is printed and stored below build/fuzz: add it to the corpus with the correction.

Exit codes: 0 no errors, 1 errors, 2 wrong usage.
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
    """Fuzz each target, and add new inputs to the corpus; exit with 1 after an error."""
    failed = [name for name in targets or TARGETS if not _fuzz(name, seconds)]
    if failed:
        click.echo(f"errors in: {', '.join(failed)}; the inputs are below build/fuzz", err=True)
        sys.exit(1)


def _fuzz(name: str, seconds: int) -> bool:
    corpus = CORPUS / name
    before = len(list(corpus.iterdir()))
    prefix = Path("build/fuzz") / f"{name}-"
    prefix.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fuzz-new-") as new:
        passed = _libfuzzer(
            name, f"-artifact_prefix={prefix}", f"-max_total_time={seconds}", new, str(corpus)
        )
        # libFuzzer's first folder receives only the inputs that reach new code.
        shutil.copytree(new, corpus, dirs_exist_ok=True)
    after = len(list(corpus.iterdir()))
    click.echo(f"{name}: {'passed' if passed else 'FAILED'}, corpus {before} → {after}")
    return passed


def _libfuzzer(name: str, *arguments: str) -> bool:
    command = [sys.executable, "-m", "testkit.fuzz.fuzz", name, *_FLAGS, *arguments]
    ran = subprocess.run(command, check=False, capture_output=True, text=True)
    if ran.returncode:
        click.echo(ran.stdout + ran.stderr[-2000:], err=True)
    return ran.returncode == 0


if __name__ == "__main__":
    main()
