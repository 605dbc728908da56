"""`python -m review BASE`: what the working tree changes, compared with a commit.

Exit codes: 0 the review is written (with any content), 1 it cannot be made, 2 wrong input,
130 interrupted.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rich.console import Console

from review import ReviewError, WrongBaseError
from review.checkout import Commit, resolve, uncommitted
from review.comparison import Review, Source, compare
from review.findings import read_findings
from review.html import as_html
from review.machine import as_json
from review.markdown import as_markdown
from review.synthesis import assembly_of, synthesize
from review.terminal import show
from review.words import page_of
from shared.printable import printable

_PIPED_WIDTH = 1000


class _WrongInput(click.ClickException):
    exit_code = 2


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  make review BASE=main\n  python -m review HEAD~1 --json",
)
@click.argument("base")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/review"),
    show_default=True,
    help="Folder for review.html, review.md and review.json.",
)
@click.option("--json", "as_machine", is_flag=True, help="Print the JSON instead of the summary.")
def main(base: str, output: Path, *, as_machine: bool) -> None:
    """Show what the working tree changes in every environment, compared with BASE.

    BASE is a branch, a tag or a commit. Both sides are synthesized; no AWS account and no network
    is needed. Writes one HTML page, the same as Markdown, and as JSON.

    Exit codes: 0 the review is written, 1 it cannot be made, 2 wrong usage or input, 130
    interrupted.
    """
    try:
        _review(Path.cwd(), base, output, as_machine=as_machine)
    except WrongBaseError as error:
        raise _WrongInput(str(error)) from None
    except ReviewError as error:
        raise click.ClickException(printable(str(error), lines=True)) from None
    except OSError as error:
        where = error.filename or "a file"
        raise click.ClickException(f"{where}: {error.strerror}") from None


def _review(root: Path, base: str, output: Path, *, as_machine: bool) -> None:
    commit = resolve(root, base)
    paths = tuple(uncommitted(root))
    progress = Console(stderr=True)
    with progress.status(f"synthesizing {base} and the working tree"):
        if not progress.is_terminal:
            click.echo(f"review: synthesizing {base} and the working tree", err=True)
        review = _compare(root, commit, output)
    named = f"{base} (commit {commit.id[:12]}, “{commit.subject}”)"
    page = page_of(review, base=named, uncommitted=paths)
    forms = {
        "review.html": as_html(page),
        "review.md": as_markdown(page),
        "review.json": as_json(review, base=commit.id, uncommitted=paths),
    }
    output.mkdir(parents=True, exist_ok=True)
    for name, text in forms.items():
        (output / name).write_text(text, encoding="utf-8")
    if as_machine:
        click.echo(forms["review.json"], nl=False)
        return
    terminal = Console()
    show(page, terminal if terminal.is_terminal else Console(width=_PIPED_WIDTH))
    click.echo(f"\nwritten: {', '.join(str(output / name) for name in forms)}")


def _compare(root: Path, commit: Commit, output: Path) -> Review:
    local = root / ".local" / "review"
    local.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=local, prefix=".") as folder,
        ThreadPoolExecutor(max_workers=2) as both,
    ):
        assembly = Path(folder) / "cdk.out"
        head = both.submit(
            synthesize,
            root,
            assembly,
            named="the working tree",
            log=output / "synthesis.log",
        )
        base = both.submit(assembly_of, root, commit, log=output / "base-synthesis.log").result()
        head.result()
        findings = read_findings(root, base, assembly)
        return compare(
            Source(base, base / "environments", findings[0]),
            Source(assembly, root / "environments", findings[1]),
        )
