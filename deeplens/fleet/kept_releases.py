"""The stored releases of a fleet: its deployments, and their results."""

import time
from dataclasses import dataclass

from deeplens.fleet.errors import FleetError
from deeplens.fleet.session import FleetSession
from shared.fleet import deployments
from shared.fleet.deployments import (
    MANUAL_TAG,
    RETRY_TAG,
    ROLLED_BACK_TAG,
    Deployment,
)


@dataclass(frozen=True)
class KeptRelease:
    """A deployment of the fleet; the fields are the keys of `--json`.

    Times are ISO 8601 in UTC. The optional fields except `model_digest` contain the text of a tag.
    """

    id: str
    created: str
    status: str
    model_digest: str | None
    proven: str | None
    stopped: str | None
    by_hand: str | None
    rolled_back: str | None
    retry: str | None


def kept_releases(session: FleetSession) -> list[KeptRelease]:
    """Return the fleet's deployments, newest first."""
    return [
        KeptRelease(
            id=deployment.id,
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(deployment.created_at)),
            status=deployment.status,
            model_digest=deployment.model_digest,
            proven=deployment.verification,
            stopped=deployment.stopped,
            by_hand=deployment.tags.get(MANUAL_TAG),
            rolled_back=deployment.tags.get(ROLLED_BACK_TAG),
            retry=deployment.tags.get(RETRY_TAG),
        )
        for deployment in deployments.history(session.greengrass, session.target_arn)
    ]


def choose_release(session: FleetSession, current: Deployment, name: str | None) -> Deployment:
    """Return the stored release that `name` selects.

    Args:
        session: the session of the fleet.
        current: the current deployment.
        name: the id of a deployment, or the first characters of a model's digest; of several
            deployments with one digest, a deployment whose gate passed takes precedence. None: the
            newest verified release other than the current one.

    Raises:
        FleetError: no stored release matches, or the releases that match have several digests.
    """
    # A deleted project leaves a deployment without components.
    stored = [
        deployment
        for deployment in deployments.history(session.greengrass, session.target_arn)
        if deployment.components
    ]
    verified = [deployment for deployment in stored if deployment.is_verified]
    if name is None:
        # During waves, the fleet's current deployment is that of the previous release, which
        # therefore is a candidate.
        has_waves = deployments.waves_since(session.greengrass, current)
        candidates = [
            deployment
            for deployment in verified
            if has_waves or deployment.components != current.components
        ]
    else:
        candidates = [
            deployment
            for deployment in stored
            if deployment.id == name or (deployment.model_digest or "").startswith(name)
        ]
        candidates.sort(key=lambda deployment: deployment.verification is None)
    if not candidates:
        names = ", ".join(
            f"{deployment.id} ({(deployment.model_digest or '')[:12]})" for deployment in verified
        )
        problem = (
            f"{name!r} is not a stored release" if name else "no other verified release is stored"
        )
        raise FleetError(f"{problem}; verified releases: {names or 'none'}")
    digests = {deployment.model_digest for deployment in candidates}
    if name and len(digests) > 1:
        names = ", ".join(sorted(map(str, digests)))
        raise FleetError(f"{name!r} matches several digests: {names}; give more characters")
    return candidates[0]
