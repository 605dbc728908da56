"""Golden templates: every synthesized template, with asset hashes masked, under tests/synth/golden.

`python -m tools.golden` rewrites them from cdk.out; with `--check` it reads templates as JSON from
standard input, keyed by stack name, and prints what differs.
"""

import difflib
import json
import re
import sys
from typing import Any

from model_tools.output_paths import why_unwritable
from tools.assembly import ROOT, read_assembly

GOLDEN = ROOT / "tests" / "synth" / "golden"

# Asset hashes and the digests derived from sources and artifacts: they change with every release.
_HASH = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")
_CONTENT = re.compile(r"sha256-[0-9a-f]{16}")
_VERSION_ID = re.compile(r"(CurrentVersion[0-9A-F]{8})[0-9a-f]{32}")


def masked(template: dict[str, Any]) -> str:
    """Return the template as stable text without the hashes that change with every release."""
    text = json.dumps(template, indent=1, sort_keys=True) + "\n"
    text = _CONTENT.sub("sha256-CONTENT", _HASH.sub("DIGEST", text))
    return _VERSION_ID.sub(r"\1VERSION", text)


def synthesized() -> dict[str, dict[str, Any]]:
    """Read every template of cdk.out, by stack name."""
    return {stack.name: stack.template for stack in read_assembly()}


def rewrite(templates: dict[str, dict[str, Any]]) -> None:
    """Make the golden templates those given."""
    GOLDEN.mkdir(exist_ok=True)
    for stale in GOLDEN.glob("*.json"):
        stale.unlink()
    for name, template in sorted(templates.items()):
        (GOLDEN / f"{name}.json").write_text(masked(template), encoding="utf-8")


def drift(templates: dict[str, dict[str, Any]]) -> list[str]:
    """Return the difference between the golden templates and those given, as a unified diff."""
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


def main(arguments: list[str]) -> int:
    """Rewrite, or with --check compare; return 1 when something differs."""
    if arguments == ["--check"]:
        lines = drift(json.load(sys.stdin))
        print("\n".join(lines))
        if lines:
            print("the templates changed: read the difference, then run `make golden`")
        return 1 if lines else 0
    if arguments:
        print(__doc__)
        return 2
    if problem := why_unwritable(GOLDEN, free_mib=10):
        print(f"golden: {problem}", file=sys.stderr)
        return 1
    rewrite(synthesized())
    print(f"golden: {len(list(GOLDEN.glob('*.json')))} templates under {GOLDEN.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
