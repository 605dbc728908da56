"""The access keys that the emulator issues to accounts, sessions and Lambda functions."""
# ruff: noqa: SLF001 - ministack has no public extension API; contract tests cover its private names

import re
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc, s3, sts

from local_aws.gateway.request_filter import Directory
from local_aws.gateway.signature_v4 import AccessKey
from local_aws.ministack_hooks.identity import issue_credentials, role_id
from local_aws.process.endpoint import secret_access_key

_ACCOUNT = re.compile(r"[0-9]{12}")
_LONGEST_SESSION_NAME = 64


def directory(root_key: str) -> Directory:
    """Return the lookups of access keys and buckets in ministack."""

    def access_key(access_key_id: str) -> AccessKey | None:
        if _ACCOUNT.fullmatch(access_key_id):
            arn = f"arn:aws:iam::{access_key_id}:root"
            return AccessKey(access_key_id, arn, secret_access_key(root_key, access_key_id))
        return _session(access_key_id)

    return Directory(access_key, _bucket_exists)


def issue_role_sessions_to_functions() -> None:
    """Give each Lambda function a session of its execution role instead of the account's key."""
    issued: dict[tuple[str, str], dict[str, str]] = {}

    def execution_credentials(config: dict[str, Any]) -> dict[str, str]:
        function, role = config["FunctionArn"], config.get("Role", "")
        account, name = function.split(":")[4], config["FunctionName"]
        key = function, role_id(account, role.rsplit("/", 1)[-1])
        if key not in issued:
            session = issue_credentials(
                account, role.rsplit("/", 1)[-1], name[:_LONGEST_SESSION_NAME], None
            )
            issued[key] = {
                "AWS_ACCESS_KEY_ID": session["accessKeyId"],
                "AWS_SECRET_ACCESS_KEY": session["secretAccessKey"],
                "AWS_SESSION_TOKEN": session["sessionToken"],
            }
        return issued[key]

    lambda_runtime.execution_credentials = execution_credentials
    lambda_svc.execution_credentials = execution_credentials


def _bucket_exists(name: str) -> bool:
    """Return whether a bucket exists in any account; bucket names are global."""
    return any(bucket == name for _account, bucket in s3._buckets._data)


def disable_presigned_url_checks() -> None:
    """Disable ministack's check of presigned URLs, which does not use the accounts' secrets."""
    s3._verify_presigned_sigv4 = lambda *_: None


def _session(access_key_id: str) -> AccessKey | None:
    session = sts._sessions.get(access_key_id)
    if session is None:
        return None
    return AccessKey(
        account=session["Arn"].split(":")[4],
        arn=session["Arn"],
        secret=session["SecretAccessKey"],
        session_token=session["SessionToken"],
        expires=session.get("Expiration"),
    )
