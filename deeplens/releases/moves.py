"""Which moves of a release are allowed, and carrying one out.

A plan is made from what is known now and says everything that would happen; carrying it out
changes one environment's pin and adds one line to the trail, or neither.
"""

import difflib
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from deeplens.releases.cloud import Cloud
from deeplens.releases.environments import Environment, choose, read_environments
from deeplens.releases.history import (
    NAME,
    Move,
    append,
    is_recorded_in_git,
    read_history,
)
from deeplens.releases.pin import pin_model, pinned, read_exactly
from deeplens.releases.releases import Release, find_release
from deeplens.releases.signed import check_signed
from model_tools.errors import RegistryError, SourceError


@dataclass(frozen=True)
class Registry:
    """Everything that a move is decided from.

    Attributes:
        folder: where environment files and the trail are.
        models: where artifacts are.
        who: tells the name under which moves are recorded.
        now: tells the time, ISO 8601 in UTC.
    """

    folder: Path
    models: Path
    cloud: Cloud
    who: Callable[[], str]
    now: Callable[[], str]

    @property
    def trail(self) -> Path:
        """The file of every move."""
        return self.folder / NAME


@dataclass(frozen=True)
class Plan:
    """A move that is allowed, as it would be recorded, and the pin's change as a diff."""

    target: Environment
    move: Move
    diff: tuple[str, ...]


def plan_promotion(
    registry: Registry, source_name: str, target_name: str, *, again: str = ""
) -> Plan | None:
    """Plan that `target` pins what `source` proved; None when it does already.

    Args:
        registry: what is known.
        source_name: the environment whose cameras proved the release.
        target_name: the environment that gets it.
        again: why a release that the target was taken back from may come again.

    Raises:
        SourceError: there is no such environment.
        RegistryError: the release may not go there; the text says why, and what would work.
    """
    environments = read_environments(registry.folder)
    source, target = choose(environments, source_name), choose(environments, target_name)
    _check_way(source, target)
    check_pins(registry.trail, environments)
    if (source.model, source.digest) == (target.model, target.digest):
        return None
    release = _built(registry, source)
    _check_not_ahead(registry, release, target)
    if not again:
        _check_not_taken_back(registry, release, target)
    registry.cloud.check_idle(source)
    proof = _proof(registry.cloud, source)
    _check_stored(registry.cloud, source, release)
    registry.cloud.check_idle(target)
    return _plan(registry, "promote", target, release, source.name, proof, again)


def plan_rollback(registry: Registry, name: str, digest: str | None, reason: str) -> Plan:
    """Plan that an environment pins a release again that its own fleet proved before.

    Args:
        registry: what is known.
        name: the environment.
        digest: the release's digest or its beginning; the last proven other one if None.
        reason: why, for the trail.

    Raises:
        SourceError: there is no such environment.
        RegistryError: no such release was proven there, or a rollout runs.
    """
    environments = read_environments(registry.folder)
    target = choose(environments, name)
    check_pins(registry.trail, environments)
    registry.cloud.check_idle(target)
    deployed = registry.cloud.deployments(target)
    kept = {one.digest: one for one in reversed(deployed) if one.is_healthy}
    others = [one.digest for one in deployed if one.digest in kept and one.digest != target.digest]
    wanted = [one for one in others if one.startswith(digest or "")]
    if not wanted:
        known = ", ".join(dict.fromkeys(one[:12] for one in others)) or "none"
        asked = f"{digest!r} was never healthy there" if digest else "there is nothing to return to"
        raise RegistryError(f"{name}: {asked}; proven there, beside what is pinned: {known}")
    release = _release(registry, wanted[0])
    proof = kept[wanted[0]].proven or ""
    return _plan(registry, "rollback", target, release, target.name, proof, reason)


def carry_out(registry: Registry, plan: Plan) -> Move:
    """Change the pin and add to the trail; return the move as it was recorded.

    Raises:
        RegistryError: another move runs, or the pin is not what it was when this was planned.
    """
    with _alone(registry.folder):
        before = read_exactly(plan.target.file)
        if pinned(before, plan.target.model, plan.target.digest) != before:
            raise RegistryError(
                f"{plan.target.file}: its pin changed while this was planned; look, and try again"
            )
        pin_model(plan.target.file, plan.move.model, plan.move.after)
        try:
            return append(registry.trail, plan.move)
        except BaseException:
            plan.target.file.write_bytes(before.encode())
            raise


def check_pins(trail: Path, environments: dict[str, Environment]) -> None:
    """Check that no pin that a move made was changed by hand since.

    Raises:
        RegistryError: one was, or the trail is not whole.
    """
    last = {move.environment: move for move in read_history(trail)}
    for name, environment in environments.items():
        move = last.get(name)
        # The first environment of the way is pinned by hand: `deeplens release pin`.
        if move and environment.promoted_from and environment.digest != move.after:
            raise RegistryError(
                f"{environment.file}: pins {environment.digest[:12]}…, but the last recorded move "
                f"was to {move.after[:12]}… ({move.kind} by {move.who}, {move.at}); "
                + _reconcile(environment.file, trail, move)
            )


def _reconcile(file: Path, trail: Path, move: Move) -> str:
    """Return the commands after which a pin is that of its last recorded move again."""
    pin = f"`deeplens release pin {file} {move.after}` pins what was recorded"
    if is_recorded_in_git(trail, move):
        return f"the file was edited manually: {pin}, and so does `git restore {file}`"
    return (
        f"git does not have that move. If you restored {file} to undo it, remove its line from "
        f"{trail} (`git restore {trail}`, or `rm {trail}` if git has no such file); otherwise {pin}"
    )


def _check_way(source: Environment, target: Environment) -> None:
    if source.challenges is not None:
        if source.challenges == target.name:
            return
        raise RegistryError(
            f"{source.name} challenges {source.challenges}, and passes releases to no other; "
            f"`deeplens release promote {source.name} {source.challenges}` works"
        )
    if target.promoted_from is None:
        raise RegistryError(
            f"{target.file}: has no 'promoted_from', so nothing is promoted to it; with "
            f'promoted_from = "{source.name}" it takes releases from there'
        )
    if target.promoted_from != source.name:
        raise RegistryError(
            f"{target.name} takes releases from {target.promoted_from}, given {source.name}; "
            f"`deeplens release promote {target.promoted_from} {target.name}` works"
        )


def _built(registry: Registry, source: Environment) -> Release:
    release = _release(registry, source.digest)
    if release.manifest.name != source.model:
        raise RegistryError(
            f"{source.file}: pins {source.digest[:12]}… as model {source.model!r}, the artifact is "
            f"of {release.manifest.name!r}: name and digest of two models; `deeplens release pin "
            f"{source.file} DIGEST` writes both"
        )
    return release


def _release(registry: Registry, digest: str) -> Release:
    try:
        return find_release(registry.models, digest)
    except SourceError as error:
        raise RegistryError(
            f"{error}; nobody built it here: build it, or copy it from the model store to "
            f"{registry.models}/NAME/{digest}/model.zip"
        ) from None


def _check_not_ahead(registry: Registry, release: Release, target: Environment) -> None:
    try:
        current = find_release(registry.models, target.digest)
    except SourceError:
        return
    if current.manifest.name != release.manifest.name or current.version < release.version:
        return
    given, there = release.manifest.version, current.manifest.version
    if current.version > release.version:
        raise RegistryError(
            f"{target.name} is ahead: it pins version {there}, this is {given}; going back is "
            f"`deeplens release rollback {target.name}`"
        )
    raise RegistryError(
        f"{target.name} pins other bytes of the same version {there}; give the new model a "
        "version of its own (`deeplens model package --version`)"
    )


def _check_not_taken_back(registry: Registry, release: Release, target: Environment) -> None:
    """Check that the target's last experience with the release was not a roll-back."""
    for move in reversed(read_history(registry.trail)):
        if move.environment != target.name:
            continue
        if move.after == release.digest:
            return
        if move.kind == "rollback" and move.before == release.digest:
            raise RegistryError(
                f"{target.name} was taken back from {release.digest[:12]}… by {move.who}, "
                f"{move.at}: {move.reason}; `--again WHY` promotes it all the same"
            )


def _proof(cloud: Cloud, source: Environment) -> str:
    """Return what proves the release that the source pins."""
    try:
        return cloud.proof(source, source.digest)
    except RegistryError as error:
        raise RegistryError(
            f"{source.name} pins what is not proven there: {error}; deploy it "
            f"(`cdk deploy '{source.name}/*'`) with a camera that can be reached"
        ) from None


def _check_stored(cloud: Cloud, source: Environment, release: Release) -> None:
    size, local = cloud.stored_bytes(source, source.model, source.digest), release.path.stat()
    where = f"s3://{source.bucket}/components/{source.model}/{source.digest}/model.zip"
    if size is None:
        raise RegistryError(
            f"{where}: the model store of {source.name} has no such object; "
            f"`cdk deploy '{source.name}/*'` publishes it again"
        )
    if size != local.st_size:
        raise RegistryError(
            f"{where}: has {size} bytes, the artifact here has {local.st_size}: somebody changed "
            "the model store; do not promote before it is known who"
        )


def _plan(  # noqa: PLR0913, PLR0917 - a move has so many parts
    registry: Registry,
    kind: str,
    target: Environment,
    release: Release,
    source: str,
    evidence: str,
    reason: str,
) -> Plan:
    check_signed(target, release, models=registry.models)
    text = read_exactly(target.file)
    name, digest = release.manifest.name, release.digest
    move = Move(
        at=registry.now(),
        who=registry.who(),
        kind="promote" if kind == "promote" else "rollback",
        environment=target.name,
        model=name,
        before=target.digest,
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
    return Plan(target, move, tuple(diff))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the folder, so that two moves on one machine never mix; git holds two machines."""
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise RegistryError(f"{folder}: another promotion or roll-back runs; wait for it") from None
    finally:
        os.close(held)
