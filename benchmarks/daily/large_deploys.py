"""Part (f), deployed: an artifact of 500 MB in 1, 3 and 10 new environments of one account."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path

import boto3

from benchmarks.daily.apps import copies_of_dev
from benchmarks.daily.command_line import prebuilt, synthesized
from benchmarks.daily.figures import Figure, Part
from benchmarks.daily.large import LARGE_MIB, enlarge
from deeplens.config import load_environment
from local_aws.process.endpoint import secret_access_key
from testkit.checkout import Checkout, fresh_checkout

_COUNTS = (1, 3, 10)


def large_deploys(folder: Path, _rounds: int, told: Callable[[str], None]) -> Part:
    """Deploy new environments with the small artifact and with one of 500 MB, once each."""
    site = folder / "site"
    site.mkdir()
    told("an emulator, and dev deployed to it")
    figures: list[Figure] = []
    uploads = 0
    with fresh_checkout(site) as checkout:
        checkout.demo("deploy", "dev")
        pin = load_environment(site / "environments" / "dev.toml").model
        environments = copies_of_dev(folder / "environments", 2 * sum(_COUNTS) + 1)
        new = (file.stem for file in sorted(environments.glob("copy*.toml")))
        for count in _COUNTS:
            small = [next(new) for _ in range(count)]
            large = [next(new) for _ in range(count)]
            told(f"an artifact of {LARGE_MIB} MB for {_environments(count)}")
            digest = enlarge(site / "models" / pin.name, pin.digest)
            for name in large:
                _pin(environments / f"{name}.toml", pin.digest, digest)
            assembly = synthesized(checkout, environments, folder / f"{count}-assembly")
            seconds = {
                artifact: _deploy(checkout, assembly, names, told)
                for artifact, names in (("small", small), ("large", large))
            }
            uploads = max(uploads, _uploads(checkout, digest))
            figures.append(
                Figure(
                    _environments(count),
                    f"{seconds['large']:.1f} s (small artifact: {seconds['small']:.1f} s)",
                )
            )
    return Part(
        "An artifact of 500 MB, deployed",
        "First deploys to the emulator, prebuilt and side by side, once each. The command line "
        "uploads the artifact once; each environment copies it, inside of S3, to its own bucket.",
        [*figures, Figure("uploads of one artifact", f"{uploads}", "1", uploads == 1)],
    )


def _environments(count: int) -> str:
    return "1 environment" if count == 1 else f"{count} environments"


def _pin(file: Path, old: str, new: str) -> None:
    file.write_text(file.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")


def _deploy(
    checkout: Checkout, assembly: Path, names: Iterable[str], told: Callable[[str], None]
) -> float:
    seconds = prebuilt(checkout, assembly, *(f"{name}/*" for name in names))().seconds
    told(f"deployed in {seconds:.1f} s")
    return seconds


def _uploads(checkout: Checkout, digest: str) -> int:
    """Count the versions of an artifact among CDK's assets: each upload makes one."""
    endpoint = json.loads((checkout.root / ".local/aws/endpoint.json").read_text(encoding="utf-8"))
    dev = load_environment(checkout.root / "environments" / "dev.toml")
    s3 = boto3.client(
        "s3",
        endpoint_url=endpoint["endpoint_url"],
        region_name=dev.region,
        aws_access_key_id=dev.account,
        aws_secret_access_key=secret_access_key(endpoint["root_key"], dev.account),
    )
    bucket = f"cdk-deeplens-assets-{dev.account}-{dev.region}"
    return len(s3.list_object_versions(Bucket=bucket, Prefix=digest)["Versions"])
