"""Authorization decisions in an account with the resources of one environment's templates."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from deeplens.assembly import Stack
from tools.access_table import without_hash

ROOT = Path(__file__).parents[2]
REGION = "eu-central-1"
Document = dict[str, Any]


@dataclass(frozen=True)
class Evaluator:
    """ministack's IAM evaluator in a separate process."""

    asking: IO[str]
    answering: IO[str]

    def __call__(self, **request: Any) -> str:
        self.asking.write(json.dumps(request) + "\n")
        self.asking.flush()
        return self.answering.readline().strip()


@contextmanager
def running_evaluator() -> Iterator[Evaluator]:
    with subprocess.Popen(
        [ROOT / ".venv-local-aws/bin/python", Path(__file__).with_name("iam_evaluator.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        yield Evaluator(process.stdin, process.stdout)
        process.stdin.close()


class Account:
    """An account with an environment's names, roles and policies, and with resolved references."""

    def __init__(self, stacks: list[Stack], evaluator: Evaluator) -> None:
        self._stacks = {stack.name.rpartition("-")[2]: stack for stack in stacks}
        self._evaluate = evaluator
        self.environment = stacks[0].name.rpartition("-")[0]
        self.id = stacks[0].account
        self._exports = {
            output["Export"]["Name"]: self.plain(stack, output["Value"])
            for stack in stacks
            for output in stack.template.get("Outputs", {}).values()
            if "Export" in output
        }

    def definitions(self, stack: str, type_: str) -> Iterator[tuple[str, Document]]:
        """Yield the logical ids and resolved properties of a type's resources."""
        for logical_id, resource in self._stacks[stack].definitions(type_):
            yield logical_id, self.plain(self._stacks[stack], resource["Properties"])

    def only(self, stack: str, type_: str, name: str = "") -> Document:
        """Return the properties of a type's only resource whose logical id starts with `name`."""
        (properties,) = (
            properties
            for logical_id, properties in self.definitions(stack, type_)
            if logical_id.startswith(name)
        )
        return properties

    def roles(self) -> Iterator[tuple[str, str]]:
        """Yield the stack and logical id of every role."""
        for name, stack in self._stacks.items():
            for logical_id, _ in stack.definitions("AWS::IAM::Role"):
                yield name, logical_id

    def role_arn(self, stack: str, logical_id: str) -> str:
        return f"arn:aws:iam::{self.id}:role/{stack}-{logical_id}"

    def policies(self, stack: str, logical_id: str) -> list[Document]:
        """Return all policy documents of a role, from all stacks."""
        return [policy["PolicyDocument"] for _, policy in self._policies(stack, logical_id)]

    def grants_without_call(self, stack: str, logical_id: str) -> dict[str, str]:
        """Return the reasons for a role's statements without a call in the code, by `Sid`."""
        return {
            sid: reason
            for metadata, _ in self._policies(stack, logical_id)
            for sid, reason in metadata.get("deeplens:GrantsWithoutCall", {}).items()
        }

    def _policies(self, stack: str, logical_id: str) -> Iterator[tuple[Document, Document]]:
        """Yield the metadata and properties of all policies of a role."""
        name = self.role_arn(stack, logical_id).rpartition("/")[2]
        attached = json.dumps(self._attached(stack, logical_id))
        for other in self._stacks.values():
            for policy_id, resource in other.definitions(
                "AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"
            ):
                policy = self.plain(other, resource["Properties"])
                if name in policy.get("Roles", []) or f"policy/{policy_id}" in attached:
                    yield resource.get("Metadata", {}), policy

    def may(  # noqa: PLR0913 - each parameter is part of a request
        self,
        role: tuple[str, str],
        action: str,
        resource: str,
        *,
        extra: Document | None = None,
        boundary: Document | None = None,
        tls: bool = True,
        **context: str | list[str],
    ) -> str:
        """Return the decision on a role's request, by the role's policies and by `extra`."""
        return self.decide(
            role,
            action,
            resource,
            [*self.policies(*role), *([extra] if extra else [])],
            {_key(name): text for name, text in context.items()},
            boundary=boundary,
            tls=tls,
        )

    def decide(  # noqa: PLR0913 - each parameter is part of a request
        self,
        role: tuple[str, str],
        action: str,
        resource: str,
        policies: list[Document],
        context: dict[str, Any],
        *,
        boundary: Document | None = None,
        tls: bool = True,
    ) -> str:
        """Return the decision on a request of a role that has only these identity policies.

        The policies of this environment's bucket and keys also apply.
        """
        return self._evaluate(
            principal=self.role_arn(*role),
            account=self.id,
            action=action,
            resource=resource,
            region=REGION,
            tls=tls,
            context={"s3:TlsVersion": "1.3", **context},
            policies=policies,
            boundary=boundary,
            service=None,
            resource_policy=self._policy_of(resource),
            resource_policy_must_allow=":kms:" in resource,
            owner=self.id,
        )

    def generated_name(self, stack: str, logical_id: str) -> str:
        """Return a resource's generated name, by the logical id without CDK's hash."""
        (full_id,) = (
            id_ for id_, _ in self._stacks[stack].definitions() if without_hash(id_) == logical_id
        )
        return self._reference(self._stacks[stack], full_id).rpartition(":")[2]

    def certificate_may(self, thing: str, action: str, resource: str) -> str:
        """Return the decision on a request of a device's certificate, connected as `thing`."""
        document = self.only("Devices", "AWS::IoT::Policy")["PolicyDocument"]
        text = json.dumps(document).replace("${iot:Connection.Thing.ThingName}", thing)
        return self._evaluate(
            principal=f"arn:aws:iot:{REGION}:{self.id}:cert/x",
            account=self.id,
            action=action,
            resource=f"arn:aws:iot:{REGION}:{self.id}:{resource}",
            region=REGION,
            tls=True,
            context={},
            policies=[json.loads(text)],
            boundary=None,
            service=None,
            resource_policy=None,
            resource_policy_must_allow=False,
            owner=self.id,
        )

    def service_may(
        self, service: str, document: Document, action: str, resource: str, **context: str
    ) -> str:
        """Return the decision on a service's request, by a resource policy or a trust policy."""
        statements = [
            {"Resource": "*", **statement} if "Resource" not in statement else statement
            for statement in document["Statement"]
        ]
        return self._evaluate(
            principal="",
            account=self.id,
            action=action,
            resource=resource,
            region=REGION,
            tls=True,
            context={_key(name): text for name, text in context.items()},
            policies=[],
            boundary=None,
            service=service,
            resource_policy={**document, "Statement": statements},
            resource_policy_must_allow=False,
            owner=self.id,
        )

    def plain(self, stack: Stack, value: Any) -> Any:
        """Return a value with resolved references; the logical id replaces a missing name."""
        if isinstance(value, list):
            return [self.plain(stack, item) for item in value]
        if not isinstance(value, dict):
            return value
        return self._resolved(stack, value) or {
            key: self.plain(stack, item) for key, item in value.items()
        }

    def _resolved(self, stack: Stack, value: Document) -> str | None:
        match value:
            case {"Fn::Join": [separator, parts]}:
                return str(separator).join(str(self.plain(stack, part)) for part in parts)
            case {"Fn::ImportValue": name}:
                return str(self._exports[name])
            case {"Fn::GetAtt": [name, attribute]}:
                return self._attribute(stack, name, attribute)
            case {"Ref": name}:
                return self._reference(stack, name)
        return None

    def _reference(self, stack: Stack, name: str) -> str:
        pseudo = {"AWS::Region": REGION, "AWS::AccountId": self.id, "AWS::Partition": "aws"}
        if name in pseudo:
            return pseudo[name]
        resource = stack.template["Resources"].get(name)
        assert resource, f"no value for {name}"
        short = stack.name.rpartition("-")[2]
        match resource["Type"]:
            case "AWS::S3::Bucket":
                return str(resource["Properties"].get("BucketName", name.lower()))
            case "AWS::IAM::ManagedPolicy":
                return f"arn:aws:iam::{self.id}:policy/{name}"
            case "AWS::IAM::Role":
                return f"{short}-{name}"
            case "AWS::SNS::Topic":
                return f"arn:aws:sns:{REGION}:{self.id}:{name}"
        return name

    def _attribute(self, stack: Stack, name: str, attribute: str) -> str:
        resource = stack.template["Resources"][name]
        here = f"{REGION}:{self.id}"
        short = stack.name.rpartition("-")[2]
        named = resource.get("Properties", {})
        match resource["Type"], attribute:
            case "AWS::IAM::Role", "Arn":
                return self.role_arn(short, name)
            case "AWS::S3::Bucket", "Arn":
                return f"arn:aws:s3:::{self._reference(stack, name)}"
            case "AWS::KMS::Key", "Arn":
                return f"arn:aws:kms:{here}:key/{name}"
            case "AWS::Lambda::Function", "Arn":
                return f"arn:aws:lambda:{here}:function:{named.get('FunctionName', name)}"
            case "AWS::Logs::LogGroup", "Arn":
                return f"arn:aws:logs:{here}:log-group:{name}:*"
        return f"{name}.{attribute}"

    def _attached(self, stack: str, logical_id: str) -> list[str]:
        resource = self._stacks[stack].template["Resources"][logical_id]
        plain = self.plain(self._stacks[stack], resource["Properties"])
        return list(plain.get("ManagedPolicyArns", []))

    def _policy_of(self, resource: str) -> Document | None:
        """Return the policy of this environment's bucket or key, or None for other resources."""
        if resource.startswith("arn:aws:s3:::"):
            bucket = resource.removeprefix("arn:aws:s3:::").split("/")[0]
            for _, policy in self.definitions("ModelStore", "AWS::S3::BucketPolicy"):
                if policy["Bucket"] == bucket:
                    return dict(policy["PolicyDocument"])
        if ":kms:" in resource:
            for stack in self._stacks:
                for logical_id, key in self.definitions(stack, "AWS::KMS::Key"):
                    if resource.endswith(f"key/{logical_id}"):
                        return dict(key["KeyPolicy"])
        return None


def _key(name: str) -> str:
    """Return the condition key of a Python keyword, for example `kms:ViaService`."""
    return name.replace("_", ":", 1)
