"""The reader of cloud assemblies and templates.

`cloud_assembly` reads environments, stacks, resources and assets; `intrinsics` converts template
values to text; `policy_documents` reads IAM, resource and trust policies.
"""

from deeplens.assembly.cloud_assembly import (
    ROOT,
    AssemblyError,
    Environment,
    Resource,
    Stack,
    by_environment,
    environments_id,
    read_assembly,
    read_environments,
    read_json,
)
from deeplens.assembly.intrinsics import text
from deeplens.assembly.policy_documents import as_list

__all__ = [
    "ROOT",
    "AssemblyError",
    "Environment",
    "Resource",
    "Stack",
    "as_list",
    "by_environment",
    "environments_id",
    "read_assembly",
    "read_environments",
    "read_json",
    "text",
]
