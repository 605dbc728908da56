"""Check the synthesized templates: cdk-nag's findings in the assembly's report, and cfn-lint."""

import json
import subprocess
import sys
from pathlib import Path

ASSEMBLY = Path(__file__).resolve().parent.parent / "cdk.out"


def nag_findings(report: Path) -> list[str]:
    """Return a line per violation of every policy validation plugin in `report`."""
    return [
        f"{violation['ruleName']}: {construct['constructPath']}: {violation['description']}"
        for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
        for violation in plugin["violations"]
        for construct in violation["violatingConstructs"]
    ]


def main() -> int:
    """Print every finding; return 1 if there is one."""
    templates = sorted(ASSEMBLY.glob("assembly-*/*.template.json"))
    if not templates:
        print(f"{ASSEMBLY}: no templates; run `make synth` first", file=sys.stderr)
        return 1
    findings = nag_findings(ASSEMBLY / "validation-report.json")
    for finding in findings:
        print(finding)
    lint = subprocess.run(  # noqa: S603 - the project's own linter
        [Path(sys.executable).with_name("cfn-lint"), "--non-zero-exit-code", "warning", *templates],
        check=False,
    )
    print(
        f"{len(templates)} templates: {len(findings)} cdk-nag findings, cfn-lint {lint.returncode}"
    )
    return 1 if findings or lint.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
