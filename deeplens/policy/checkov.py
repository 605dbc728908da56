"""checkov on templates: offline, from an environment of its own, with its findings as lines."""

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deeplens.assembly import ROOT

CHECKOV = ROOT / ".venv-checkov" / "bin" / "checkov"


class CheckovFailed(Exception):  # noqa: N818 - says what happened
    """checkov gave no report."""


def checkov_findings(files: Sequence[Path]) -> list[str]:
    """Return a line per failed check that no resource acknowledges.

    Raises:
        CheckovFailed: it is not installed, or ended without a report on every file.
    """
    if not CHECKOV.is_file():
        raise CheckovFailed(f"{CHECKOV} is not installed; run `make .venv-checkov/.ready`")
    chosen = [word for file in files for word in ("--file", str(file))]
    # Its platform must not be asked, whoever runs this: no key, no look-up, no modules.
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("BC_", "PRISMA_"))
    }
    result = subprocess.run(  # noqa: S603 - the project's own scanner
        [CHECKOV, "--framework", "cloudformation", "--skip-download", "--compact", "--quiet",
         "--output", "json", *chosen],
        env=environment, cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    try:
        reports = json.loads(result.stdout)
    except ValueError:
        raise CheckovFailed(result.stderr.strip() or "it printed nothing") from None
    return findings_of(reports)


def findings_of(reports: Any) -> list[str]:
    """Return the failed checks of checkov's own report, one line each.

    Raises:
        CheckovFailed: a template could not be read, or there was none.
    """
    found, resources = [], 0
    for report in reports if isinstance(reports, list) else [reports]:
        resources += report.get("summary", report)["resource_count"]
        results = report.get("results", {})
        if results.get("parsing_errors"):
            raise CheckovFailed(f"cannot read {', '.join(results['parsing_errors'])}")
        for check in results.get("failed_checks", []):
            where = f"{Path(check['file_path']).name}: {check['resource']}"
            found.append(f"{check['check_id']}: {where}: {check['check_name']}")
    if not resources:
        raise CheckovFailed("it saw no resource")
    return sorted(found)
