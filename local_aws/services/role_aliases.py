"""IoT role aliases, which ministack lacks, for the API and the credentials provider."""

import time
from typing import Any

from local_aws.account_region import Scope
from local_aws.authorization.checks import Subjects
from local_aws.errors import ServiceError
from local_aws.service_api import ServiceApi

Params = dict[str, Any]
PATH = "/role-aliases"
CREDENTIALS_PROVIDER = "credentials.iot.amazonaws.com"
DEFAULT_DURATION_SECONDS = 3600


class RoleAliases:
    """The role aliases of all accounts and Regions, as JSON."""

    def __init__(self) -> None:
        self._aliases: dict[str, dict[str, Params]] = {}
        self.operations = {
            "CreateRoleAlias": self.create,
            "DeleteRoleAlias": self.delete,
            "DescribeRoleAlias": self.describe,
            "ListRoleAliases": self.list_aliases,
            "UpdateRoleAlias": self.update,
        }
        self.api = ServiceApi(
            "iot", self.operations, self._subjects, invalid_code="InvalidRequestException"
        )

    def find(self, scope: Scope, name: str) -> Params | None:
        """Return the record of a role alias as in DescribeRoleAlias; None if it does not exist."""
        return self._aliases.get(str(scope), {}).get(name)

    def create(self, scope: Scope, params: Params) -> Params:
        """Implement CreateRoleAlias."""
        name = params["roleAlias"]
        if self.find(scope, name) is not None:
            raise ServiceError(
                "ResourceAlreadyExistsException",
                f"Role alias {name} already exists in account {scope.account}, {scope.region}.",
                resourceId=name,
                resourceArn=_arn(scope, name),
            )
        now = round(time.time(), 3)
        self._aliases.setdefault(str(scope), {})[name] = {
            "roleAlias": name,
            "roleAliasArn": _arn(scope, name),
            "roleArn": params["roleArn"],
            "owner": scope.account,
            "credentialDurationSeconds": params.get(
                "credentialDurationSeconds", DEFAULT_DURATION_SECONDS
            ),
            "creationDate": now,
            "lastModifiedDate": now,
        }
        return {"roleAlias": name, "roleAliasArn": _arn(scope, name)}

    def update(self, scope: Scope, params: Params) -> Params:
        """Implement UpdateRoleAlias."""
        record = self._existing(scope, params["roleAlias"])
        for member in ("roleArn", "credentialDurationSeconds"):
            if member in params:
                record[member] = params[member]
        record["lastModifiedDate"] = round(time.time(), 3)
        return {"roleAlias": record["roleAlias"], "roleAliasArn": record["roleAliasArn"]}

    def describe(self, scope: Scope, params: Params) -> Params:
        """Implement DescribeRoleAlias."""
        return {"roleAliasDescription": self._existing(scope, params["roleAlias"])}

    def delete(self, scope: Scope, params: Params) -> Params:
        """Implement DeleteRoleAlias."""
        self._existing(scope, params["roleAlias"])
        del self._aliases[str(scope)][params["roleAlias"]]
        return {}

    def list_aliases(self, scope: Scope, _params: Params) -> Params:
        """Implement ListRoleAliases, with one page."""
        return {"roleAliases": sorted(self._aliases.get(str(scope), {}))}

    def to_json(self) -> Params:
        """Return all resources as JSON."""
        return self._aliases

    def load_json(self, data: Params) -> None:
        """Replace all resources with the result of ``to_json``."""
        self._aliases = data

    def clear(self) -> None:
        """Remove all resources."""
        self._aliases = {}

    def _subjects(self, scope: Scope, params: Params) -> Subjects:
        name = params.get("roleAlias")
        resources = {} if name is None else {"iot:rolealias": [_arn(scope, name)]}
        if "roleArn" in params:
            resources["iam:role"] = [params["roleArn"]]
        tags = {tag["Key"]: tag.get("Value", "") for tag in params.get("tags", [])}
        return Subjects(resources, tags=tags, passed_to=CREDENTIALS_PROVIDER)

    def _existing(self, scope: Scope, name: str) -> Params:
        record = self.find(scope, name)
        if record is None:
            raise ServiceError(
                "ResourceNotFoundException",
                f"Role alias {name} does not exist in account {scope.account}, {scope.region}.",
            )
        return record


def _arn(scope: Scope, name: str) -> str:
    return f"arn:aws:iot:{scope.region}:{scope.account}:rolealias/{name}"
