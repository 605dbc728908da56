"""Parts (d) and (e): compare, deploy, and a new model from edit to camera, on the embedded AWS."""

import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.daily.apps import PEERS, copies_of_dev
from benchmarks.daily.command_line import cdk, prebuilt, synthesized
from benchmarks.daily.figures import Part, at_most, plain
from benchmarks.daily.timing import ROOT, Command, Run, interleaved, ratio, seconds
from deeplens.config import load_environment
from model_tools.shapes.scenes import write_scenes
from testkit.checkout import Checkout, first_of, fresh_checkout, virtual_camera, watch
from testkit.releases import good_model

_EDIT_TO_MESSAGE_SECONDS = 45.0
# With other metadata in its templates, a deploy of nothing new would be an update.
_IN_TEMPLATES = ("versionReporting", "pathMetadata", "assetMetadata")


def deploys(folder: Path, rounds: int, told: Callable[[str], None]) -> Part:
    """Measure `cdk diff`, a deploy of nothing new, a first deploy, and a change of the model."""
    site = folder / "site"
    site.mkdir()
    told("an embedded AWS, and dev deployed to it")
    with fresh_checkout(site) as checkout:
        checkout.demo("deploy", "dev")
        same = interleaved(_nothing_new(checkout, folder), rounds, told)
        first = _first_deploys(checkout, folder, rounds, told)
        told("a virtual camera of dev")
        write_scenes(site / ".local" / "scenes", 6, seed=0)
        with virtual_camera(checkout):
            watch(checkout, 1)
            changes = [_edit_to_message(checkout, number, told) for number in range(3)]
    return Part(
        "Compare, deploy, see it on the camera",
        "On the emulator. *Bare* is the CDK command line with its defaults and the application as "
        "CDK runs it by default; *prebuilt* is what `deeplens local deploy` does after its "
        "synthesis.",
        [
            plain("`cdk diff`, bare", seconds(same["bare diff"]), "s"),
            plain("`cdk diff`", seconds(same["diff"]), "s"),
            plain("`cdk diff` to bare", ratio(same["diff"], same["bare diff"]), "x"),
            plain("a deploy of nothing new, bare", seconds(same["bare deploy"]), "s"),
            plain("a deploy of nothing new, prebuilt", seconds(same["deploy"]), "s"),
            at_most("nothing new, to bare", ratio(same["deploy"], same["bare deploy"]), 0.4),
            plain("a first deploy, bare", seconds(first["bare deploy"]), "s"),
            plain("a first deploy, prebuilt", seconds(first["deploy"]), "s"),
            at_most("a first deploy, to bare", ratio(first["deploy"], first["bare deploy"]), 0.4),
            at_most(
                "another model: from the edited pin to the camera's first message of it",
                statistics.median(changes),
                _EDIT_TO_MESSAGE_SECONDS,
                "s",
            ),
        ],
    )


def _nothing_new(checkout: Checkout, folder: Path) -> dict[str, Command]:
    environments = checkout.root / "environments"
    return {
        "bare diff": _bare(checkout, folder, "diff", "dev/*", environments),
        "diff": cdk(checkout, "diff", "dev/*"),
        "bare deploy": _bare(checkout, folder, "deploy", "dev/*", environments),
        "deploy": prebuilt(checkout, checkout.root / "cdk.out", "dev/*"),
    }


def _first_deploys(
    checkout: Checkout, folder: Path, rounds: int, told: Callable[[str], None]
) -> dict[str, list[Run]]:
    """Deploy environments that were never deployed: two in each round."""
    environments = copies_of_dev(folder / "environments", 2 * rounds + 1)
    assembly = synthesized(checkout, environments, folder / "prebuilt")
    runs: dict[str, list[Run]] = {"bare deploy": [], "deploy": []}
    for number in range(1, 2 * rounds + 1, 2):
        told(f"first deploys, round {(number + 1) // 2} of {rounds}")
        one, other = f"copy{number:03}/*", f"copy{number + 1:03}/*"
        runs["bare deploy"].append(_bare(checkout, folder, "deploy", one, environments)())
        runs["deploy"].append(prebuilt(checkout, assembly, other)())
    return runs


def _edit_to_message(checkout: Checkout, number: int, told: Callable[[str], None]) -> float:
    file = checkout.root / "environments" / "dev.toml"
    old = load_environment(file).model.digest
    new = good_model(checkout.root / "models", old, f"2.0.{number}")
    began = time.perf_counter()
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    checkout.demo("deploy", "dev")
    first_of(checkout, new)
    took = time.perf_counter() - began
    told(f"another model was on the camera after {took:.1f} s")
    return took


def _bare(checkout: Checkout, folder: Path, verb: str, stacks: str, environments: Path) -> Command:
    """The command line in a folder whose cdk.json says what templates hold, and nothing faster."""
    bare = folder / f"bare-{environments.parent.name}"
    bare.mkdir(exist_ok=True)
    settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
    context = {**settings["context"], "environments": str(environments)}
    app = f"{sys.executable} {PEERS / 'default_app.py'}"
    content = {name: settings[name] for name in _IN_TEMPLATES}
    plain_settings = {"app": app, "output": "cdk.out", "context": context, **content}
    (bare / "cdk.json").write_text(json.dumps(plain_settings), encoding="utf-8")
    return cdk(checkout, verb, stacks, within=bare)
