"""The CDK command line, with a checkout's emulator as its target."""

import json
import os
from dataclasses import replace
from pathlib import Path

from benchmarks.daily.apps import CDK, NODE
from benchmarks.daily.timing import ROOT, Command
from deeplens.config import load_environment
from local_aws.process.endpoint import secret_access_key
from testkit.checkout import Checkout

_DEV = ROOT / "environments" / "dev.toml"


def cdk(checkout: Checkout, *arguments: str, folder: Path | None = None) -> Command:
    """Return a `cdk` command for the account and Region of dev on the checkout's emulator.

    The command runs in `folder`, by default the checkout's root.
    """
    endpoint = json.loads((checkout.root / ".local/aws/endpoint.json").read_text(encoding="utf-8"))
    dev = load_environment(_DEV)
    approval = ("--require-approval=never",) if arguments[0] == "deploy" else ()
    return Command(
        [NODE, CDK, *arguments, *approval],
        {
            "PATH": f"{NODE.parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(checkout.root),
            "CDK_HOME": str(checkout.root / ".local" / "cdk"),
            "AWS_ENDPOINT_URL": endpoint["endpoint_url"],
            "AWS_ACCESS_KEY_ID": dev.account,
            "AWS_SECRET_ACCESS_KEY": secret_access_key(endpoint["root_key"], dev.account),
            "AWS_REGION": dev.region,
            "AWS_EC2_METADATA_DISABLED": "true",
        },
        folder or checkout.root,
    )


def deploy_prebuilt(checkout: Checkout, assembly: Path, *stacks: str) -> Command:
    """Return the command that `deeplens local deploy` runs after its synthesis, for `stacks`."""
    command = cdk(
        checkout, "deploy", *stacks, f"--app={assembly}", "--method=direct", "--concurrency=6"
    )
    compile_cache = {"NODE_COMPILE_CACHE": str(checkout.root / ".local" / "node")}
    return replace(command, variables={**command.variables, **compile_cache})


def synthesize(checkout: Checkout, environments: Path, assembly: Path) -> Path:
    """Synthesize `environments` into the folder `assembly`, and return the folder."""
    cdk(
        checkout,
        "synth",
        "--quiet",
        "--no-validation",
        f"--output={assembly}",
        f"--context=environments={environments}",
    )()
    return assembly
