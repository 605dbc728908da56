"""SageMaker's resources, as plain JSON."""

from typing import Any

from local_aws.account_region import Scope
from local_aws.errors import ServiceError

Params = dict[str, Any]


class Store:
    """Every account's and region's records by kind and name."""

    def __init__(self) -> None:
        self._records: dict[str, dict[str, dict[str, Params]]] = {}

    def find(self, scope: Scope, kind: str, name: str) -> Params | None:
        """Find a record."""
        return self._records.get(str(scope), {}).get(kind, {}).get(name)

    def get(self, scope: Scope, kind: str, name: str) -> Params:
        """Find a record that must be there.

        Raises:
            ServiceError: it is not, in SageMaker's words.
        """
        record = self.find(scope, kind, name)
        if record is None:
            arn = self.arn(scope, kind, name)
            words = kind.replace("-config", " configuration")
            raise ServiceError("ValidationException", f'Could not find {words} "{arn}".')
        return record

    def add(self, scope: Scope, kind: str, name: str, record: Params) -> None:
        """Keep a new record.

        Raises:
            ServiceError: there is one of that name.
        """
        if self.find(scope, kind, name) is not None:
            arn = self.arn(scope, kind, name)
            words = kind.replace("-config", " configuration")
            raise ServiceError(
                "ValidationException", f'Cannot create already existing {words} "{arn}".'
            )
        self._records.setdefault(str(scope), {}).setdefault(kind, {})[name] = record

    def remove(self, scope: Scope, kind: str, name: str) -> None:
        """Forget a record that must be there; raise as `get`."""
        self.get(scope, kind, name)
        del self._records[str(scope)][kind][name]

    def names(self, scope: Scope, kind: str) -> list[str]:
        """List the names of a kind."""
        return sorted(self._records.get(str(scope), {}).get(kind, {}))

    def all_of(self, kind: str) -> list[Params]:
        """List the records of a kind in every account and region."""
        return [one for kinds in self._records.values() for one in kinds.get(kind, {}).values()]

    @staticmethod
    def arn(scope: Scope, kind: str, name: str) -> str:
        """Give the ARN of a record; SageMaker writes names in it in lower case."""
        return f"arn:aws:sagemaker:{scope.region}:{scope.account}:{kind}/{name.lower()}"

    def to_json(self) -> Params:
        """Write everything."""
        return self._records

    def load_json(self, data: Params) -> None:
        """Replace everything by what ``to_json`` wrote."""
        self._records = data

    def clear(self) -> None:
        """Forget everything."""
        self._records = {}
