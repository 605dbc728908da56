"""Run checkov on templates: offline, in a separate Python environment, one line per finding."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from deeplens.assembly import ROOT, Stack
from deeplens.policy.violation import Rule, Violation, violation

CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"

_SHORTEST_REASON = 20


class CheckovError(Exception):
    """Raised if checkov is not installed, wrote no report, or did not read every template."""


def checkov_findings(files: Sequence[Path]) -> list[str]:
    """Return a line for each failed check that the resource does not skip.

    Raises:
        CheckovError: checkov is not installed, wrote no report, or did not read every file.
    """
    if not CHECKOV.is_file():
        raise CheckovError(f"{CHECKOV} is not installed; run `make .venv-checkov/.ready`")
    arguments = [argument for file in files for argument in ("--file", str(file))]
    # Without an API key, checkov does not query its platform, so results are the same for all
    # users.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("BC_", "PRISMA_"))
    }
    result = subprocess.run(  # noqa: S603 - a scanner of this project
        [CHECKOV, "--framework", "cloudformation", "--skip-download", "--compact", "--quiet",
         "--output", "json", *arguments],
        env=environment, cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    try:
        reports = json.loads(result.stdout)
    except ValueError:
        raise CheckovError(result.stderr.strip() or "it printed nothing") from None
    return findings_of(reports)


def findings_of(reports: Any) -> list[str]:
    """Return a line for each failed check of checkov's report.

    Raises:
        CheckovError: a template cannot be read, or the report contains no resource.
    """
    failed, resources = [], 0
    for report in reports if isinstance(reports, list) else [reports]:
        resources += report.get("summary", report)["resource_count"]
        results = report.get("results", {})
        if results.get("parsing_errors"):
            raise CheckovError(f"cannot read {', '.join(results['parsing_errors'])}")
        for check in results.get("failed_checks", []):
            where = f"{Path(check['file_path']).name}: {check['resource']}"
            failed.append(f"{check['check_id']}: {where}: {check['check_name']}")
    if not resources:
        raise CheckovError("its report contains no resource")
    return sorted(failed)


def reasons_given(stacks: list[Stack]) -> Iterator[Violation]:
    """Require a comment with the reason for each skipped check of checkov."""
    for stack in stacks:
        for logical_id, resource in stack.definitions():
            for skip in resource.get("Metadata", {}).get("checkov", {}).get("skip", []):
                if len(skip.get("comment", "")) < _SHORTEST_REASON:
                    yield violation(
                        stack,
                        "reasons-given",
                        logical_id,
                        f"give the reason for skipping {skip['id']}",
                    )


RULES: tuple[Rule, ...] = (reasons_given,)
