"""Golden templates: the synthesized templates with masked hashes."""

import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import click

from deeplens.assembly import ROOT, read_assembly
from model_tools.output_paths import why_unwritable

GOLDEN = ROOT / "tests" / "synth" / "golden"

# Asset hashes, and digests of sources and artifacts, which change with every release.
_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_LAST_TWO_NUMBERS = re.compile(r"\.\d+\.\d+$")
_VERSION_ID = re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}")


def masked(template: dict[str, Any]) -> str:
    """Return the template as stable text without the hashes that change with every release."""
    text = json.dumps(template, indent=1, sort_keys=True) + "\n"
    text = without_content_numbers(_HASH.sub("DIGEST", text), template)
    return _VERSION_ID.sub(r"\1VERSION", text)


def without_content_numbers(text: str, template: Mapping[str, Any]) -> str:
    """Replace the content-derived numbers of component versions with `.CONTENT`.

    The components of `template` define these numbers. A version such as 2.16.1 of an AWS component
    remains.
    """
    numbers = sorted(set(_numbers(template)))
    if not numbers:
        return text
    pattern = re.compile(rf"(?:{'|'.join(map(re.escape, numbers))})(?!\d)")
    return pattern.sub(".CONTENT", text)


def synthesized() -> dict[str, dict[str, Any]]:
    """Read every template of cdk.out, by stack name."""
    return {stack.name: stack.template for stack in read_assembly()}


def rewrite(templates: dict[str, dict[str, Any]]) -> None:
    """Replace the golden templates with the masked text of `templates`."""
    GOLDEN.mkdir(exist_ok=True)
    for stale in GOLDEN.glob("*.json"):
        stale.unlink()
    for name, template in sorted(templates.items()):
        (GOLDEN / f"{name}.json").write_text(masked(template), encoding="utf-8")


def drift(templates: dict[str, dict[str, Any]]) -> list[str]:
    """Return the unified diff between the golden templates and `templates`."""
    golden = {file.stem: file.read_text(encoding="utf-8") for file in GOLDEN.glob("*.json")}
    current = {name: masked(template) for name, template in templates.items()}
    return [
        line
        for name in sorted(golden.keys() | current.keys())
        for line in difflib.unified_diff(
            golden.get(name, "").splitlines(),
            current.get(name, "").splitlines(),
            f"golden/{name}.json",
            f"synthesized/{name}",
            lineterm="",
        )
    ]


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--check",
    is_flag=True,
    help="Compare only: read templates as JSON from standard input, keyed by stack name.",
)
def main(*, check: bool) -> None:
    """Rewrite the golden templates under tests/synth/golden from cdk.out.

    Exit codes: 0 written, or no template differs; 1 a template differs, or cdk.out is missing;
    2 wrong usage or input.
    """
    if not check:
        if problem := why_unwritable(GOLDEN, free_mib=10):
            raise click.ClickException(problem)
        try:
            rewrite(synthesized())
        except FileNotFoundError as error:
            raise click.ClickException(
                f"{error.filename} does not exist; `make synth` writes the templates"
            ) from None
        count = len(list(GOLDEN.glob("*.json")))
        click.echo(f"golden: {count} templates under {GOLDEN.relative_to(ROOT)}")
        return
    try:
        templates = json.load(sys.stdin)
    except ValueError as error:
        raise click.UsageError(f"standard input is not valid JSON: {error}") from None
    lines = drift(templates)
    click.echo("\n".join(lines))
    if lines:
        click.echo("templates changed: read the diff, then run `make golden`")
        sys.exit(1)


def _numbers(template: Mapping[str, Any]) -> Iterator[str]:
    for resource in template.get("Resources", {}).values():
        if resource["Type"] == "Custom::GreengrassComponent":
            last_two = _LAST_TWO_NUMBERS.search(_end(resource["Properties"].get("Arn")))
            if last_two:
                yield last_two[0]


def _end(value: Any) -> str:
    """Return the literal suffix of a string, or of an intrinsic function that returns a string."""
    match value:
        case str():
            return value
        case {"Fn::Sub": str(text)}:
            return text
        case {"Fn::Join": [_, [*_, str(last)]]}:
            return last
    return ""


if __name__ == "__main__":
    main()
