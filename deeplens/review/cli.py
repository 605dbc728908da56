"""`deeplens review BASE`: compare the working tree with a commit.

Exit codes: 0 the review is written, with any content; 1 the review cannot be created; 2 wrong
input; 130 interrupted.
"""

import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
from rich.console import Console

from deeplens.review.checkout import Commit, resolve, uncommitted
from deeplens.review.comparison import Review, Source, compare
from deeplens.review.findings import read_findings
from deeplens.review.html import as_html
from deeplens.review.json_output import as_json
from deeplens.review.markdown import as_markdown
from deeplens.review.page import page_of
from deeplens.review.replacement_rules import check_schemas
from deeplens.review.synthesis import assembly_of, synthesize
from deeplens.review.terminal import show

_PIPED_WIDTH = 1000


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  deeplens review main\n  deeplens review HEAD~1 --json",
)
@click.argument("base")
@click.option(
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("build/review"),
    show_default=True,
    help="Folder for review.html, review.md and review.json.",
)
@click.option("--json", "prints_json", is_flag=True, help="Print the JSON instead of the summary.")
def main(base: str, output: Path, *, prints_json: bool) -> None:
    """Show the changes of the working tree in every environment, compared with BASE.

    BASE is a branch, a tag or a commit. Both sides are synthesized, without AWS account or network.
    The review is written as HTML, Markdown and JSON.

    Exit codes: 0 the review is written; 1 the review cannot be created; 2 wrong usage or input; 130
    interrupted.
    """
    check_schemas()
    root = Path.cwd()
    commit = resolve(root, base)
    paths = tuple(uncommitted(root))
    progress = Console(stderr=True)
    with progress.status(f"synthesizing {base} and the working tree"):
        if not progress.is_terminal:
            click.echo(f"review: synthesizing {base} and the working tree", err=True)
        review = _compare(root, commit, output)
    base_name = f"{base} (commit {commit.id[:12]}, “{commit.subject}”)"
    page = page_of(review, base=base_name, uncommitted=paths)
    formats = {
        "review.html": as_html(page),
        "review.md": as_markdown(page),
        "review.json": as_json(review, base=commit.id, uncommitted=paths),
    }
    output.mkdir(parents=True, exist_ok=True)
    for name, text in formats.items():
        (output / name).write_text(text, encoding="utf-8")
    if prints_json:
        click.echo(formats["review.json"], nl=False)
        return
    terminal = Console()
    show(page, terminal if terminal.is_terminal else Console(width=_PIPED_WIDTH))
    click.echo(f"\nwritten: {', '.join(str(output / name) for name in formats)}")


def _compare(root: Path, commit: Commit, output: Path) -> Review:
    local = root / ".local" / "review"
    local.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=local, prefix=".") as folder,
        ThreadPoolExecutor(max_workers=2) as executor,
    ):
        assembly = Path(folder) / "cdk.out"
        head = executor.submit(
            synthesize,
            root,
            assembly,
            name="the working tree",
            log=output / "synthesis.log",
        )
        base = executor.submit(
            assembly_of, root, commit, log=output / "base-synthesis.log"
        ).result()
        head.result()
        findings = read_findings(root, base, assembly)
        return compare(
            Source(base, base / "environments", findings[0]),
            Source(assembly, root / "environments", findings[1]),
        )
