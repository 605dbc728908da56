"""What cdk-nag and cfn-lint find in the templates of each side."""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from review import ReviewError


@dataclass(frozen=True, order=True)
class Finding:
    """One finding of one tool, at a construct or a resource of a template."""

    tool: str
    rule: str
    at: str
    message: str


def read_findings(root: Path, assembly: Path) -> set[Finding]:
    """Return every finding in the cloud assembly, by the checkout's own rules.

    Args:
        root: the checkout, whose `.cfnlintrc.yaml` applies to both sides.
        assembly: folder of a cloud assembly.

    Raises:
        ReviewError: cfn-lint did not answer.
    """
    return {*_nag(assembly / "validation-report.json"), *_lint(root, assembly)}


def _nag(report: Path) -> set[Finding]:
    if not report.is_file():
        return set()
    return {
        Finding(
            "cdk-nag",
            str(violation["ruleName"]),
            str(construct.get("constructPath", "")),
            str(violation["description"]),
        )
        for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    }


def _lint(root: Path, assembly: Path) -> set[Finding]:
    templates = sorted(assembly.rglob("*.template.json"))
    if not templates:
        return set()
    result = subprocess.run(  # noqa: S603 - the project's own linter
        [Path(sys.executable).with_name("cfn-lint"), "--format", "json", *templates],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    try:
        found = json.loads(result.stdout)
    except ValueError:
        raise ReviewError(f"cfn-lint did not answer: {result.stderr.strip()[-500:]}") from None
    return {
        Finding(
            "cfn-lint",
            str(one["Rule"]["Id"]),
            f"{Path(one['Filename']).name.removesuffix('.template.json')}: "
            + "/".join(str(step) for step in one["Location"].get("Path") or ()),
            str(one["Message"]),
        )
        for one in found
        if one["Level"] in ("Warning", "Error")
    }
