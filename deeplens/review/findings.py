"""Findings of cdk-nag, cfn-lint and the project's own rules in the templates of each side."""

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from deeplens.assembly import by_environment, read_assembly
from deeplens.policy import violations
from deeplens.review import ReviewError

_END = ".template.json"


@dataclass(frozen=True, order=True)
class ToolFinding:
    """One finding of a tool at a construct or a resource."""

    tool: str
    rule: str
    at: str
    message: str


def read_findings(root: Path, *assemblies: Path) -> list[frozenset[ToolFinding]]:
    """Return the findings in each cloud assembly, by the rules of the checkout.

    cfn-lint checks equal templates once.

    Args:
        root: the checkout, whose `.cfnlintrc.yaml` applies to every assembly.
        assemblies: the folders of the cloud assemblies.

    Raises:
        ReviewError: cfn-lint wrote no report.
    """
    templates = [
        {file: hashlib.sha256(file.read_bytes()).hexdigest() for file in _templates(assembly)}
        for assembly in assemblies
    ]
    distinct = {digest: file for files in templates for file, digest in files.items()}
    linted = _lint(root, sorted(distinct.values()))
    return [
        frozenset(_nag(assembly / "validation-report.json"))
        | _project(assembly)
        | {
            ToolFinding("cfn-lint", rule, f"{file.name.removesuffix(_END)}: {at}", message)
            for file, digest in files.items()
            for rule, at, message in linted.get(distinct[digest], ())
        }
        for assembly, files in zip(assemblies, templates, strict=True)
    ]


def _templates(assembly: Path) -> list[Path]:
    return sorted(assembly.rglob(f"*{_END}"))


def _nag(report: Path) -> set[ToolFinding]:
    if not report.is_file():
        return set()
    return {
        ToolFinding(
            "cdk-nag",
            str(violation["ruleName"]),
            str(construct.get("constructPath", "")),
            str(violation["description"]),
        )
        for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def _project(assembly: Path) -> set[ToolFinding]:
    """Return the violations of this checkout's rules, which apply to both sides."""
    return {
        ToolFinding(
            "project", violation.rule, f"{violation.stack}/{violation.resource}", violation.advice
        )
        for stacks in by_environment(read_assembly(assembly)).values()
        for violation in violations(stacks)
    }


def _lint(root: Path, templates: list[Path]) -> dict[Path, list[tuple[str, str, str]]]:
    """Return rule, path and message of each warning and error, by template.

    Raises:
        ReviewError: cfn-lint wrote no report.
    """
    if not templates:
        return {}
    result = subprocess.run(  # noqa: S603 - a linter of this project
        [Path(sys.executable).with_name("cfn-lint"), "--format", "json", *templates],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    try:
        report = json.loads(result.stdout)
    except ValueError:
        raise ReviewError(f"cfn-lint wrote no report: {result.stderr.strip()[-500:]}") from None
    linted: dict[Path, list[tuple[str, str, str]]] = {}
    for finding in report:
        if finding["Level"] in ("Warning", "Error"):
            at = "/".join(str(step) for step in finding["Location"].get("Path") or ())
            linted.setdefault(Path(finding["Filename"]), []).append(
                (str(finding["Rule"]["Id"]), at, str(finding["Message"]))
            )
    return linted
