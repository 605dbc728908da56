"""Promotions and rollbacks: the conditions, the plan, and its application.

A plan contains all changes. Its application changes the pin of one environment and appends one line
to the audit log. If one of these changes fails, neither takes effect.
"""

import difflib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deeplens.config import EnvironmentConfig, find_environment, load_environments
from deeplens.releases.artifacts import Release, find_release
from deeplens.releases.audit_log import (
    NAME,
    Move,
    append,
    is_recorded_in_git,
    read_history,
)
from deeplens.releases.aws import AwsAccounts
from deeplens.releases.pin import pin_model, pinned, read_exactly
from deeplens.releases.signature_check import check_signed
from model_tools.errors import RegistryError, SourceError


@dataclass(frozen=True)
class Registry:
    """The files and accounts on which promotions depend.

    Attributes:
        folder: the folder of the environment files and the audit log.
        models: the folder of the artifacts.
        accounts: the AWS accounts.
        who: returns the person's name and address, for the audit log.
        now: returns the time, ISO 8601 in UTC.
    """

    folder: Path
    models: Path
    accounts: AwsAccounts
    who: Callable[[], str]
    now: Callable[[], str]

    @property
    def audit_log(self) -> Path:
        """The file of the audit log."""
        return self.folder / NAME


@dataclass(frozen=True)
class PromotionPlan:
    """A permitted promotion or rollback: its entry in the audit log, and the diff of the pin."""

    target: EnvironmentConfig
    move: Move
    diff: tuple[str, ...]


def plan_promotion(
    registry: Registry, source_name: str, target_name: str, *, again: str = ""
) -> PromotionPlan | None:
    """Plan the promotion of `source_name`'s release; return None if the target already pins it.

    Args:
        registry: the environments, artifacts and accounts.
        source_name: the environment whose fleet verified the release.
        target_name: the environment that receives the release.
        again: the reason to promote a release from which the target was rolled back.

    Raises:
        ConfigError: a file is not valid, or an environment does not exist.
        RegistryError: the promotion is not permitted; the message contains the reason.
    """
    environments = load_environments(registry.folder)
    source, target = (
        find_environment(environments, source_name),
        find_environment(environments, target_name),
    )
    _check_order(source, target)
    check_pins(registry.audit_log, environments)
    if (source.model.name, source.model.digest) == (target.model.name, target.model.digest):
        return None
    release = _built(registry, source)
    _check_not_ahead(registry, release, target)
    if not again:
        _check_not_rolled_back(registry, release, target)
    registry.accounts.check_idle(source)
    verification = _verification(registry.accounts, source)
    _check_stored(registry.accounts, source, release)
    registry.accounts.check_idle(target)
    return _plan(registry, "promote", target, release, source.name, verification, again)


def plan_rollback(registry: Registry, name: str, digest: str | None, reason: str) -> PromotionPlan:
    """Plan the rollback of an environment to a release that its fleet verified before.

    Args:
        registry: the environments, artifacts and accounts.
        name: the environment.
        digest: the release's digest or its first characters; None: the last other verified release.
        reason: the reason, for the audit log.

    Raises:
        ConfigError: a file is not valid, or the environment does not exist.
        RegistryError: no such release was verified there, its artifact is absent or not accepted, a
            rollout is in progress, or a pin differs from the audit log.
    """
    environments = load_environments(registry.folder)
    target = find_environment(environments, name)
    check_pins(registry.audit_log, environments)
    registry.accounts.check_idle(target)
    deployed = registry.accounts.deployments(target)
    verified = {
        deployment.model_digest or "": deployment
        for deployment in reversed(deployed)
        if deployment.is_verified
    }
    others = [
        deployment.model_digest or ""
        for deployment in deployed
        if deployment.model_digest in verified and deployment.model_digest != target.model.digest
    ]
    candidates = [other for other in others if other.startswith(digest or "")]
    if not candidates:
        names = ", ".join(dict.fromkeys(other[:12] for other in others)) or "none"
        problem = f"{digest!r} was never verified there" if digest else "no release to roll back to"
        raise RegistryError(f"{name}: {problem}; other verified releases there: {names}")
    release = _release(registry, candidates[0])
    verification = verified[candidates[0]].verification or ""
    return _plan(registry, "rollback", target, release, target.name, verification, reason)


def apply(registry: Registry, plan: PromotionPlan) -> Move:
    """Change the pin and append to the audit log; return the appended entry.

    Raises:
        RegistryError: another promotion is in progress, the pin has changed since the plan, or the
            audit log is not valid.
    """
    with _locked(registry.folder):
        before = read_exactly(plan.target.file)
        if pinned(before, plan.target.model.name, plan.target.model.digest) != before:
            raise RegistryError(
                f"{plan.target.file}: its pin has changed since the plan was made; check it, and "
                "try again"
            )
        pin_model(plan.target.file, plan.move.model, plan.move.after)
        try:
            return append(registry.audit_log, plan.move)
        except BaseException:
            plan.target.file.write_bytes(before.encode())
            raise


def check_pins(audit_log: Path, environments: Sequence[EnvironmentConfig]) -> None:
    """Check that each pin matches the environment's last entry in the audit log.

    Raises:
        RegistryError: a pin differs, or the audit log is not valid.
    """
    last = {move.environment: move for move in read_history(audit_log)}
    for environment in environments:
        move = last.get(environment.name)
        # Environments without `promoted_from` are excluded, because `deeplens release pin` pins
        # their releases.
        if move and environment.promoted_from and environment.model.digest != move.after:
            raise RegistryError(
                f"{environment.file}: pins {environment.model.digest[:12]}…, but the last recorded "
                f"promotion was to {move.after[:12]}… ({move.kind} by {move.who}, {move.at}); "
                + _reconcile(environment.file, audit_log, move)
            )


def _reconcile(file: Path, audit_log: Path, move: Move) -> str:
    """Return a sentence with the commands that remove the difference between pin and last entry."""
    pin = f"`deeplens release pin {file} {move.after}` pins the recorded release"
    if is_recorded_in_git(audit_log, move):
        return f"the file was edited manually: {pin}, and so does `git restore {file}`"
    return (
        f"git does not contain that entry. If you restored {file} to undo it, remove its line from "
        f"{audit_log} (`git restore {audit_log}`, or `rm {audit_log}` if git has no such file); "
        f"otherwise {pin}"
    )


def _check_order(source: EnvironmentConfig, target: EnvironmentConfig) -> None:
    if source.challenges is not None:
        if source.challenges == target.name:
            return
        raise RegistryError(
            f"{source.name} challenges {source.challenges}, and can be promoted only to it; "
            f"`deeplens release promote {source.name} {source.challenges}` works"
        )
    if target.promoted_from is None:
        raise RegistryError(
            f"{target.file}: has no 'promoted_from', so releases cannot be promoted to it; with "
            f'promoted_from = "{source.name}" it gets releases from there'
        )
    if target.promoted_from != source.name:
        raise RegistryError(
            f"{target.name} gets releases from {target.promoted_from}, given {source.name}; "
            f"`deeplens release promote {target.promoted_from} {target.name}` works"
        )


def _built(registry: Registry, source: EnvironmentConfig) -> Release:
    release = _release(registry, source.model.digest)
    if release.manifest.name != source.model.name:
        raise RegistryError(
            f"{source.file}: pins {source.model.digest[:12]}… as model {source.model.name!r}, the "
            f"artifact is of {release.manifest.name!r}: name and digest of two models; "
            f"`deeplens release pin {source.file} DIGEST` writes both"
        )
    return release


def _release(registry: Registry, digest: str) -> Release:
    try:
        return find_release(registry.models, digest)
    except SourceError as error:
        raise RegistryError(
            f"{error}; it is not built here: build it, or copy it from the model store to "
            f"{registry.models}/NAME/{digest}/model.zip"
        ) from None


def _check_not_ahead(registry: Registry, release: Release, target: EnvironmentConfig) -> None:
    try:
        current = find_release(registry.models, target.model.digest)
    except SourceError:
        return
    if current.manifest.name != release.manifest.name or current.version < release.version:
        return
    new, pinned_version = release.manifest.version, current.manifest.version
    if current.version > release.version:
        raise RegistryError(
            f"{target.name} is ahead: it pins version {pinned_version}, this is {new}; to roll "
            f"back, use `deeplens release rollback {target.name}`"
        )
    raise RegistryError(
        f"{target.name} pins other bytes of the same version {pinned_version}; give the new "
        "model another version (`deeplens model package --version`)"
    )


def _check_not_rolled_back(registry: Registry, release: Release, target: EnvironmentConfig) -> None:
    """Check that the target's last entry about the release is not a rollback from the release.

    Raises:
        RegistryError: the target was rolled back from the release.
    """
    for move in reversed(read_history(registry.audit_log)):
        if move.environment != target.name:
            continue
        if move.after == release.digest:
            return
        if move.kind == "rollback" and move.before == release.digest:
            raise RegistryError(
                f"{target.name} was rolled back from {release.digest[:12]}… by {move.who}, "
                f"{move.at}: {move.reason}; `--again REASON` promotes it nevertheless"
            )


def _verification(accounts: AwsAccounts, source: EnvironmentConfig) -> str:
    """Return the verification of the release that the source pins.

    Raises:
        RegistryError: the release is not verified; the message contains the next command.
    """
    try:
        return accounts.verification(source, source.model.digest)
    except RegistryError as error:
        raise RegistryError(
            f"{source.name} pins a release that is not verified there: {error}; deploy it "
            f"(`cdk deploy '{source.name}/*'`) with a reachable camera"
        ) from None


def _check_stored(accounts: AwsAccounts, source: EnvironmentConfig, release: Release) -> None:
    size, local = (
        accounts.stored_bytes(source, source.model.name, source.model.digest),
        release.path.stat(),
    )
    key = f"components/{source.model.name}/{source.model.digest}/model.zip"
    where = f"s3://{source.model_store.bucket_name}/{key}"
    if size is None:
        raise RegistryError(
            f"{where}: the model store of {source.name} has no such object; "
            f"`cdk deploy '{source.name}/*'` publishes it again"
        )
    if size != local.st_size:
        raise RegistryError(
            f"{where}: has {size} bytes, the artifact here has {local.st_size}: the model store "
            "was changed; find out who changed it before you promote"
        )


def _plan(  # noqa: PLR0913, PLR0917 - one parameter for each part of an entry
    registry: Registry,
    kind: str,
    target: EnvironmentConfig,
    release: Release,
    source: str,
    evidence: str,
    reason: str,
) -> PromotionPlan:
    check_signed(target, release, models=registry.models)
    text = read_exactly(target.file)
    name, digest = release.manifest.name, release.digest
    move = Move(
        at=registry.now(),
        who=registry.who(),
        kind="promote" if kind == "promote" else "rollback",
        environment=target.name,
        model=name,
        before=target.model.digest,
        after=digest,
        source=source,
        evidence=evidence,
        reason=reason,
    )
    diff = difflib.unified_diff(
        text.splitlines(),
        pinned(text, name, digest).splitlines(),
        str(target.file),
        str(target.file),
        lineterm="",
        n=1,
    )
    return PromotionPlan(target, move, tuple(diff))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock the folder against a second promotion on this machine.

    Git detects conflicts with promotions on other machines.

    Raises:
        RegistryError: another promotion or rollback is in progress.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RegistryError(f"{folder}: another promotion or rollback runs; wait for it") from None
    finally:
        os.close(descriptor)
