"""The device of a client certificate, and temporary credentials of roles."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import hashlib
import json
import time
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_region
from ministack.services import iam, iot, sts

from local_aws.account_region import Scope
from local_aws.errors import ServiceError
from local_aws.services.role_aliases import CREDENTIALS_PROVIDER

# Maps the id of a role and a session name to the access key of a service's session.
_service_sessions: dict[tuple[str, str], str] = {}
# The expiration of unlimited credentials: 9999-12-31, the last day with a four-digit year in ISO
# 8601.
_FAR_FUTURE = 253402214400.0


class Device:
    """The device that a client certificate identifies."""

    def __init__(self, certificate: bytes) -> None:
        """Find the device of a certificate (DER) in the registry.

        Raises:
            ServiceError: the certificate is not registered and ACTIVE in exactly one account.
        """
        self.certificate_id = hashlib.sha256(certificate).hexdigest()
        active = iot._mtls_active_registrations(self.certificate_id)
        if len(active) != 1:
            raise ServiceError(
                "AccessDeniedException",
                f"The certificate {self.certificate_id} is rejected:"
                f" {iot._mtls_refusal_reason(self.certificate_id)}.",
            )
        account, region, record = active[0]
        self.scope = Scope(account, region)
        self.things = [arn.rsplit("/", 1)[-1] for arn in record.get("attachedThings", [])]

    def allows(self, action: str, resource: str, thing: str) -> bool:
        """Return whether the certificate's policies allow a thing an action on an IoT resource."""
        context = iot._mqtt_policy_context(
            self.scope.account, self.scope.region, self.certificate_id, thing
        )
        return bool(
            iot._mqtt_policy_allows(
                self.scope.account, self.scope.region, self.certificate_id, context, action,
                resource,
            )
        )  # fmt: skip


def assume_role(role_arn: str, session_name: str, seconds: int, alias_arn: str) -> dict[str, str]:
    """Issue credentials of a role for `seconds`, as IoT's credentials provider does.

    Raises:
        ServiceError: the role does not exist, or does not trust the service.
    """
    _check_trust(role_arn, CREDENTIALS_PROVIDER, alias_arn)
    account, name = _account_and_name(role_arn)
    return issue_credentials(account, name, session_name, seconds)


def service_session(role_arn: str, service: str, source_arn: str, session_name: str) -> str:
    """Return the access key id with which a service uses a role on behalf of a resource.

    Raises:
        ServiceError: the role does not exist, or does not trust the service.
    """
    _check_trust(role_arn, service, source_arn)
    account, name = _account_and_name(role_arn)
    owner = role_id(account, name), session_name
    key = _service_sessions.get(owner, "")
    if key not in sts._sessions:
        key = issue_credentials(account, name, session_name, None)["accessKeyId"]
        _service_sessions[owner] = key
    return key


def role_id(account: str, name: str) -> str:
    """Return the unique id of a role; empty if the role does not exist.

    A role that is created again has another id.
    """
    return str((iam._roles.get_scoped(account, None, name) or {}).get("RoleId", ""))


def _check_trust(role_arn: str, service: str, source_arn: str) -> None:
    account, name = _account_and_name(role_arn)
    role = iam._roles.get_scoped(account, None, name)
    if role is None:
        raise ServiceError("AccessDeniedException", f"Role {role_arn} does not exist.")
    context = iam_evaluator.EvalContext(
        principal_arn="*",
        principal_type="Service",
        principal_account=account,
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=get_region(),
        service_context={"aws:sourceaccount": account, "aws:sourcearn": source_arn},
    )
    trust = role["AssumeRolePolicyDocument"]
    if iam_evaluator.evaluate_resource_policy(trust, context, service).decision != "Allow":
        raise ServiceError(
            "AccessDeniedException", f"Role {role_arn} does not trust {service} for {source_arn}."
        )


def _account_and_name(role_arn: str) -> tuple[str, str]:
    return role_arn.split(":")[4], role_arn.rsplit("/", 1)[-1]


def issue_credentials(
    account: str, role_name: str, session_name: str, seconds: int | None
) -> dict[str, str]:
    """Issue temporary credentials of a role in the form of STS; ``expiration`` is ISO 8601.

    If ``seconds`` is None, the credentials are valid until the emulator ends.
    """
    return _issue(
        account,
        f"assumed-role/{role_name}/{session_name}",
        seconds,
        {"PrincipalType": "AssumedRole", "UserId": f"{role_id(account, role_name)}:{session_name}"},
    )


def issue_service_credentials(
    account: str, name: str, statement: dict[str, str], seconds: int
) -> dict[str, str]:
    """Issue credentials in a service's account for `seconds`, limited by one policy statement."""
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return _issue(
        account,
        f"federated-user/{name}",
        seconds,
        {
            "PrincipalType": "FederatedUser",
            "UserId": f"{account}:{name}",
            "SessionPolicies": {"Policy": policy},
        },
    )


def _issue(
    account: str, resource: str, seconds: int | None, session: dict[str, Any]
) -> dict[str, str]:
    access_key = sts._gen_session_access_key()
    expires = _FAR_FUTURE if seconds is None else time.time() + seconds
    secret, token = sts._gen_secret(), sts._gen_session_token()
    sts.register_session(
        access_key,
        {
            **session,
            "Arn": f"arn:aws:sts::{account}:{resource}",
            "SecretAccessKey": secret,
            "SessionToken": token,
            "Expiration": expires,
            "AccountId": account,
        },
    )
    return {
        "accessKeyId": access_key,
        "secretAccessKey": secret,
        "sessionToken": token,
        "expiration": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires)),
    }
