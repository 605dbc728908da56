"""Check of a release's signature before a change of the pin, and at the gate."""

from pathlib import Path

from deeplens.config import EnvironmentConfig
from deeplens.releases.artifacts import Release, find_release
from deeplens.releases.signing.trust import check_release
from model_tools.artifact.archive import ARTIFACT_NAME
from model_tools.errors import RegistryError
from shared.signatures import Expected, SignatureRefused, Statement


def check_signed(
    environment: EnvironmentConfig, release: Release, *, models: Path
) -> Statement | None:
    """Check that a trusted key signed the release, and that no newer release is pinned.

    Args:
        environment: the environment with its keys and its current pin.
        release: the release to pin.
        models: the folder of the artifacts.

    Returns:
        The statement; None if the environment trusts no keys, or accepts a release without a
        signature.

    Raises:
        RegistryError: the deploy would reject the release; the message contains the attack that
            the check prevents.
        SourceError: a trusted key is not valid.
    """
    before = models / environment.model.name / environment.model.digest / ARTIFACT_NAME
    expected = Expected(release.manifest.name, release.digest)
    same_model = environment.model.name == release.manifest.name
    try:
        return check_release(
            environment.signing, release.path, expected, before if same_model else None
        )
    except SignatureRefused as refusal:
        raise RegistryError(f"{environment.name} would reject it: {refusal}") from None


def check_signed_pin(environment: EnvironmentConfig, models: Path) -> Statement | None:
    """Check the signature of the pinned release; return its statement, or None if none is required.

    Raises:
        SourceError: the artifact is absent.
        RegistryError: the deploy would reject the release; the message contains the attack that
            the check prevents.
    """
    if not environment.signing.is_on:
        return None
    return check_signed(environment, find_release(models, environment.model.digest), models=models)
