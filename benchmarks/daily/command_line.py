"""The CDK command line, against the embedded AWS of a checkout."""

import json
import os
from dataclasses import replace
from pathlib import Path

from benchmarks.daily.apps import CDK, NODE
from benchmarks.daily.timing import ROOT, Command
from deeplens.config import load_environment
from local_aws.credentials import secret_access_key
from testkit.checkout import Checkout

_DEV = ROOT / "environments" / "dev.toml"


def cdk(checkout: Checkout, *words: str, within: Path | None = None) -> Command:
    """Run `cdk` in the checkout, or in the folder `within`, in dev's account and region."""
    endpoint = json.loads((checkout.root / ".local/aws/endpoint.json").read_text(encoding="utf-8"))
    dev = load_environment(_DEV)
    never = ("--require-approval=never",) if words[0] == "deploy" else ()
    return Command(
        [NODE, CDK, *words, *never],
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
        within or checkout.root,
    )


def prebuilt(checkout: Checkout, assembly: Path, *stacks: str) -> Command:
    """Deploy `stacks` of a cloud assembly, as `deeplens local deploy` does after its synthesis."""
    command = cdk(
        checkout, "deploy", *stacks, f"--app={assembly}", "--method=direct", "--concurrency=6"
    )
    compiled = {"NODE_COMPILE_CACHE": str(checkout.root / ".local" / "node")}
    return replace(command, variables={**command.variables, **compiled})


def synthesized(checkout: Checkout, environments: Path, assembly: Path) -> Path:
    """Synthesize `environments` into the folder `assembly`, and return it."""
    cdk(
        checkout,
        "synth",
        "--quiet",
        "--no-validation",
        f"--output={assembly}",
        f"--context=environments={environments}",
    )()
    return assembly
