"""The resources of SageMaker, stored as JSON."""

from typing import Any

from local_aws.account_region import Scope
from local_aws.errors import ServiceError

Params = dict[str, Any]


class Store:
    """The records of all accounts and Regions, by kind and name."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, dict[str, Params]]] = {}

    def find(self, scope: Scope, kind: str, name: str) -> Params | None:
        """Return a record, or None if it does not exist."""
        return self._records.get(str(scope), {}).get(kind, {}).get(name)

    def get(self, scope: Scope, kind: str, name: str) -> Params:
        """Return an existing record.

        Raises:
            ServiceError: the record does not exist. The message is the same as SageMaker's.
        """
        record = self.find(scope, kind, name)
        if record is None:
            arn = self.arn(scope, kind, name)
            noun = kind.replace("-config", " configuration")
            raise ServiceError("ValidationException", f'Could not find {noun} "{arn}".')
        return record

    def add(self, scope: Scope, kind: str, name: str, record: Params) -> None:
        """Add a record.

        Raises:
            ServiceError: a record with this name exists.
        """
        if self.find(scope, kind, name) is not None:
            arn = self.arn(scope, kind, name)
            noun = kind.replace("-config", " configuration")
            raise ServiceError(
                "ValidationException", f'Cannot create already existing {noun} "{arn}".'
            )
        self._records.setdefault(str(scope), {}).setdefault(kind, {})[name] = record

    def remove(self, scope: Scope, kind: str, name: str) -> None:
        """Remove an existing record.

        Raises:
            ServiceError: the record does not exist.
        """
        self.get(scope, kind, name)
        del self._records[str(scope)][kind][name]

    def names(self, scope: Scope, kind: str) -> list[str]:
        """Return the names of the records of a kind, sorted."""
        return sorted(self._records.get(str(scope), {}).get(kind, {}))

    def all_of(self, kind: str) -> list[Params]:
        """Return the records of a kind in all accounts and Regions."""
        return [
            record for kinds in self._records.values() for record in kinds.get(kind, {}).values()
        ]

    @staticmethod
    def arn(scope: Scope, kind: str, name: str) -> str:
        """Return the ARN of a record; SageMaker writes names in ARNs in lower case."""
        return f"arn:aws:sagemaker:{scope.region}:{scope.account}:{kind}/{name.lower()}"

    def to_json(self) -> Params:
        """Return all resources as JSON."""
        return self._records

    def load_json(self, data: Params) -> None:
        """Replace all resources with the result of ``to_json``."""
        self._records = data

    def clear(self) -> None:
        """Remove all resources."""
        self._records = {}
