"""Measurements of comparisons, deployments and model changes on the emulator.

A model change is measured from the edited pin to the camera's first message.
"""

import json
import statistics
import sys
import time
from pathlib import Path

from benchmarks.daily.apps import PEERS, copies_of_dev
from benchmarks.daily.command_line import cdk, deploy_prebuilt, synthesize
from benchmarks.daily.results import Section, bounded_row, row
from benchmarks.daily.timing import ROOT, Command, Log, Run, interleaved, median_seconds, ratio
from deeplens.config import load_environment
from model_tools.samples.shapes.drawing import write_scenes
from testkit.checkout import Checkout, first_of, fresh_checkout, virtual_camera, watch
from testkit.releases import good_model

_EDIT_TO_MESSAGE_SECONDS = 45.0
# Settings of cdk.json that change templates. Without these settings, an unchanged deployment would
# update the stack.
_TEMPLATE_SETTINGS = ("versionReporting", "pathMetadata", "assetMetadata")


def deploys(folder: Path, rounds: int, log: Log) -> Section:
    """Measure `cdk diff`, an unchanged and a first deployment, and a change of the model."""
    root = folder / "checkout"
    root.mkdir()
    log("an emulator with dev deployed")
    with fresh_checkout(root) as checkout:
        checkout.demo("deploy", "dev")
        same = interleaved(_unchanged(checkout, folder), rounds, log)
        first = _first_deploys(checkout, folder, rounds, log)
        log("a virtual camera of dev")
        write_scenes(root / ".local" / "scenes", 6, seed=0)
        with virtual_camera(checkout):
            watch(checkout, 1)
            changes = [_edit_to_message(checkout, number, log) for number in range(3)]
    return Section(
        "Compare, deploy, see it on the camera",
        "On the emulator. *Bare* is the CDK command line and the application with CDK's defaults; "
        "*prebuilt* is the command that `deeplens local deploy` runs after its synthesis.",
        [
            row("`cdk diff`, bare", median_seconds(same["bare diff"]), "s"),
            row("`cdk diff`", median_seconds(same["diff"]), "s"),
            row("`cdk diff` to bare", ratio(same["diff"], same["bare diff"]), "x"),
            row("an unchanged deployment, bare", median_seconds(same["bare deploy"]), "s"),
            row("an unchanged deployment, prebuilt", median_seconds(same["deploy"]), "s"),
            bounded_row(
                "an unchanged deployment, to bare", ratio(same["deploy"], same["bare deploy"]), 0.4
            ),
            row("a first deployment, bare", median_seconds(first["bare deploy"]), "s"),
            row("a first deployment, prebuilt", median_seconds(first["deploy"]), "s"),
            bounded_row(
                "a first deployment, to bare", ratio(first["deploy"], first["bare deploy"]), 0.4
            ),
            bounded_row(
                "another model: from the edited pin to the camera's first message of it",
                statistics.median(changes),
                _EDIT_TO_MESSAGE_SECONDS,
                "s",
            ),
        ],
    )


def _unchanged(checkout: Checkout, folder: Path) -> dict[str, Command]:
    environments = checkout.root / "environments"
    return {
        "bare diff": _bare(checkout, folder, "diff", "dev/*", environments),
        "diff": cdk(checkout, "diff", "dev/*"),
        "bare deploy": _bare(checkout, folder, "deploy", "dev/*", environments),
        "deploy": deploy_prebuilt(checkout, checkout.root / "cdk.out", "dev/*"),
    }


def _first_deploys(checkout: Checkout, folder: Path, rounds: int, log: Log) -> dict[str, list[Run]]:
    """Deploy two new environments per round, one bare, one prebuilt; return the runs by command."""
    environments = copies_of_dev(folder / "environments", 2 * rounds + 1)
    assembly = synthesize(checkout, environments, folder / "prebuilt")
    runs: dict[str, list[Run]] = {"bare deploy": [], "deploy": []}
    for number in range(1, 2 * rounds + 1, 2):
        log(f"first deployments, round {(number + 1) // 2} of {rounds}")
        bare, prebuilt = f"copy{number:03}/*", f"copy{number + 1:03}/*"
        runs["bare deploy"].append(_bare(checkout, folder, "deploy", bare, environments)())
        runs["deploy"].append(deploy_prebuilt(checkout, assembly, prebuilt)())
    return runs


def _edit_to_message(checkout: Checkout, number: int, log: Log) -> float:
    file = checkout.root / "environments" / "dev.toml"
    old = load_environment(file).model.digest
    new = good_model(checkout.root / "models", old, f"2.0.{number}")
    began = time.perf_counter()
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    checkout.demo("deploy", "dev")
    first_of(checkout, new)
    seconds = time.perf_counter() - began
    log(f"the camera reported another model after {seconds:.1f} s")
    return seconds


def _bare(checkout: Checkout, folder: Path, verb: str, stacks: str, environments: Path) -> Command:
    """Return a `cdk` command for the default application, with `_TEMPLATE_SETTINGS` of cdk.json."""
    bare = folder / f"bare-{environments.parent.name}"
    bare.mkdir(exist_ok=True)
    settings = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))
    bare_settings = {
        "app": f"{sys.executable} {PEERS / 'default_app.py'}",
        "output": "cdk.out",
        "context": {**settings["context"], "environments": str(environments)},
        **{name: settings[name] for name in _TEMPLATE_SETTINGS},
    }
    (bare / "cdk.json").write_text(json.dumps(bare_settings), encoding="utf-8")
    return cdk(checkout, verb, stacks, folder=bare)
