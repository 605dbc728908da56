"""The execution of `app.py`: its request, the assembly cache, and CDK's app.

CDK and the configuration are imported inside functions, because a restored assembly does not
require them.
"""

# ruff: noqa: PLC0415 - CDK takes a second to load, and pydantic a tenth

import gc
import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stacks.assembly_cache import AssemblyCache, cache_key

if TYPE_CHECKING:
    from aws_cdk import App

    from deeplens.config import EnvironmentConfig

Compose = Callable[["App", "SynthesisRequest", "list[EnvironmentConfig]"], None]

_OUTPUT = "CDK_OUTDIR"
_CONTEXT = "CDK_CONTEXT_JSON"
_SOURCES = (
    "app.py",
    "stacks",
    "deeplens/__init__.py",
    "deeplens/config",
    "lambda_src",
    "model_tools",  # Training jobs run this code.
    "requirements",
    "package.json",
    "package-lock.json",
)
_VARIABLES = ("CDK_", "JSII_", "NODE_")
# Variables that the cache key excludes: the output folder does not change the assembly, and
# the context is hashed separately.
_NO_INPUTS = (_OUTPUT, _CONTEXT)
# The folder into which `make setup` installs the library that verifies signatures.
_LAYER = ".lambda-layer"


@dataclass(frozen=True)
class SynthesisRequest:
    """The inputs of one synthesis.

    Attributes:
        root: the checkout.
        output: folder of the cloud assembly.
        context: the context of cdk.json and of `-c KEY=VALUE`.
        validated: True if CDK's template validation runs, which includes cdk-nag.
    """

    root: Path
    output: Path
    context: Mapping[str, Any]
    validated: bool

    @classmethod
    def read(cls, root: Path) -> "SynthesisRequest":
        """Read the variables of the CDK CLI; set missing variables to the values in `cdk.json`."""
        settings = json.loads((root / "cdk.json").read_text(encoding="utf-8"))
        # CDK's App reads these variables, even if `python app.py` runs without the CDK CLI.
        os.environ.setdefault(_CONTEXT, json.dumps(settings["context"]))
        os.environ.setdefault(_OUTPUT, str(root / settings["output"]))
        return cls(
            root=root,
            output=Path(os.environ[_OUTPUT]),
            context=json.loads(os.environ[_CONTEXT]),
            validated=os.environ.get("CDK_VALIDATION") != "false",
        )

    @property
    def nag(self) -> bool:
        """True if cdk-nag runs: with template validation, or with `-c nag=true` alone."""
        return self.validated or self.context.get("nag") in {True, "true"}

    @property
    def environments(self) -> Path:
        """The folder of environment files."""
        return Path(self.context.get("environments") or self.root / "environments")

    @property
    def environment(self) -> str | None:
        """The name of the only environment to build; None for all environments and the pipeline."""
        name = self.context.get("environment")
        return str(name) if name else None

    @property
    def pipeline(self) -> Path | None:
        """The file of the delivery pipeline, which may be absent; None for one environment."""
        if self.environment:
            return None
        return Path(self.context.get("delivery") or self.environments.parent / "delivery.toml")

    @property
    def models(self) -> Path:
        """The folder of the artifacts that environment files pin."""
        return self.root / "models"

    @property
    def runtimes(self) -> Path:
        """The folder of the runtime archives that environment files pin."""
        return self.root / ".local" / "runtime"

    def cache_key(self) -> str:
        """Return the digest of all inputs of this synthesis."""
        variables = (
            f"{name}={os.environ[name]}"
            for name in sorted(os.environ)
            if name.startswith(_VARIABLES) and name not in _NO_INPUTS
        )
        context = json.dumps(self.context, sort_keys=True)
        sources = [*(self.root / name for name in _SOURCES), self.environments]
        return cache_key(
            [context, f"validated {self.validated}", *variables],
            [*sources, self.pipeline] if self.pipeline else sources,
            [self.models, self.runtimes, self.root / _LAYER],
        )


def run(root: Path, compose: Compose) -> None:
    """Write the cloud assembly that the CDK CLI requests.

    If no input has changed, the assembly is restored from the cache. A synthesis with cdk-nag
    always runs.

    Args:
        root: the checkout.
        compose: adds the stages of the selected environments to the app.
    """
    _use_node_of(root)
    request = SynthesisRequest.read(root)
    cache = AssemblyCache(root / ".local" / "synthesis")
    if request.nag or not cache.is_writable():
        synthesize(request, request.output, compose)
    else:
        restore_or_synthesize(request, cache, lambda output: synthesize(request, output, compose))


def restore_or_synthesize(
    request: SynthesisRequest, cache: AssemblyCache, synthesize: Callable[[Path], None]
) -> None:
    """Write the cached assembly or a new assembly into the output of the request."""
    key = request.cache_key()
    if cache.restore(key, request.output):
        return
    with cache.new() as assembly:
        synthesize(assembly)
        cache.store(key, assembly)
    restored = cache.restore(key, request.output)
    if request.cache_key() != key:
        # An input changed during the synthesis, so the assembly may contain the old or the new
        # content.
        cache.remove(key)
    if not restored:
        synthesize(request.output)


def synthesize(request: SynthesisRequest, output: Path, compose: Compose) -> None:
    """Compose the selected environments and write their cloud assembly into `output`.

    A configuration error ends the process with exit code 1 and prints the error.
    """
    from deeplens.config import (
        ConfigError,
        find_environment,
        hash_in_background,
        load_environments,
    )

    gc.disable()  # A synthesis ends before a garbage collection would save time.
    try:
        environments = load_environments(request.environments)
        if request.environment is not None:
            environments = [find_environment(environments, request.environment)]
        with hash_in_background(request.models, environments):
            from aws_cdk import App, Validations
        app = App(
            outdir=str(output),
            # Stack traces contain local folders, and cost time for each construct. cdk.json cannot
            # set these keys.
            context={
                "aws:cdk:disable-stack-trace": True,
                "aws:cdk:disable-creation-stack-traces": True,
            },
        )
        if request.nag:
            from cdk_nag import AwsSolutionsChecks

            Validations.of(app).add_plugins(AwsSolutionsChecks(app))
        compose(app, request, environments)
        app.synth()
        gc.freeze()  # The collection at the end of the process skips these objects.
    except ConfigError as error:
        sys.exit(str(error))


def _use_node_of(root: Path) -> None:
    """Set the checkout's Node for jsii, regardless of PATH, unless `JSII_NODE` is already set."""
    node = root / ".venv" / "bin" / "node"
    if node.exists():
        os.environ.setdefault("JSII_NODE", str(node))
