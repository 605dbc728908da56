"""AWS Deep Learning Containers: registries, frameworks, versions, tags.

Sources: AWS' list of available images (github.com/aws/deep-learning-containers), and the tables of
the SageMaker Python SDK (`image_uri_config/tensorflow.json` and `mxnet.json`), which contain these
short tags. A test compares the registries with those of aws-cdk-lib.
"""

import re
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from deeplens.config.aws_environment import AwsEnvironment

Framework = Literal["tensorflow", "mxnet"]
Purpose = Literal["inference", "training"]

# The account of the registries in most Regions; `_OTHER_REGISTRIES` contains the exceptions among
# GREENGRASS_REGIONS.
USUAL_REGISTRY = "763104351884"
_OTHER_REGISTRIES = MappingProxyType(
    {
        "ap-southeast-5": "550225433462",
        "cn-north-1": "727897471807",
        "eu-south-2": "503227376785",
        "us-gov-east-1": "446045086412",
        "us-gov-west-1": "442386744353",
    }
)
# Image tags by framework and purpose, then by framework version, newest first; `{processor}` is
# replaced with cpu or gpu.
_TAGS: MappingProxyType[tuple[Framework, Purpose], dict[str, str]] = MappingProxyType(
    {
        ("tensorflow", "inference"): {
            "2.19": "2.19.0-{processor}",
            "2.18": "2.18.0-{processor}",
            "2.16": "2.16.1-{processor}",
            "2.14": "2.14.1-{processor}",
        },
        ("tensorflow", "training"): {
            "2.19": "2.19.0-{processor}-py312",
            "2.18": "2.18.0-{processor}-py310",
            "2.16": "2.16.2-{processor}-py310",
            "2.14": "2.14.1-{processor}-py310",
        },
        # Apache retired MXNet; AWS provides the existing images only.
        ("mxnet", "inference"): {
            "1.9": "1.9.0-{processor}-py38",
            "1.8": "1.8.0-{processor}-py37",
        },
    }
)
_GPU_FAMILY = re.compile(r"(g|p)[0-9]")
# Instance families with Graviton, Inferentia or Trainium, for which AWS has other images.
_OTHER_PROCESSOR_FAMILY = re.compile(r"[a-z]+[0-9]+g[a-z]*|(inf|trn)[0-9]\w*")
_LOCAL_STORAGE_FAMILY = re.compile(r"(g|p)[4-9]\w*|[a-z]+[0-9]+[a-z]*d[a-z]*")


@dataclass(frozen=True)
class ContainerImage:
    """A container image in AWS' registry of a Region."""

    account: str
    region: str
    repository: str
    tag: str

    @property
    def uri(self) -> str:
        """The address from which SageMaker pulls the image."""
        registry = f"{self.account}.dkr.ecr.{self.region}.{_domain(self.region)}"
        return f"{registry}/{self.repository}:{self.tag}"

    @property
    def repository_arn(self) -> str:
        """The ARN of the repository, for the role that pulls the image."""
        return AwsEnvironment(self.account, self.region).arn("ecr", f"repository/{self.repository}")


def container_image(
    framework: Framework, purpose: Purpose, version: str, *, region: str, instance_type: str
) -> ContainerImage:
    """Return the image that runs a version of `framework` on `instance_type`.

    Raises:
        KeyError: the version is not in `supported_versions`.
    """
    tag = _TAGS[framework, purpose][version]
    return ContainerImage(
        registry_account(region),
        region,
        f"{framework}-{purpose}",
        tag.format(processor="gpu" if has_gpu(instance_type) else "cpu"),
    )


def supported_versions(framework: Framework, purpose: Purpose) -> tuple[str, ...]:
    """Return the supported versions of a framework for a purpose, newest first."""
    return tuple(_TAGS.get((framework, purpose), {}))


def registry_account(region: str) -> str:
    """Return the account that owns the registry in a Region."""
    return _OTHER_REGISTRIES.get(region, USUAL_REGISTRY)


def registry_accounts() -> frozenset[str]:
    """Return every account that owns one of the registries."""
    return frozenset({USUAL_REGISTRY, *_OTHER_REGISTRIES.values()})


def has_gpu(instance_type: str) -> bool:
    """Return whether an instance type needs the image for GPUs."""
    return bool(_GPU_FAMILY.match(_family(instance_type)))


def runs_images(instance_type: str) -> bool:
    """Return whether the images run on an instance type (not Graviton, Inferentia or Trainium)."""
    return not _OTHER_PROCESSOR_FAMILY.fullmatch(_family(instance_type))


def has_local_storage(instance_type: str) -> bool:
    """Return whether an instance type has local storage, which the hardware encrypts (not KMS)."""
    return bool(_LOCAL_STORAGE_FAMILY.fullmatch(_family(instance_type)))


def _family(instance_type: str) -> str:
    return instance_type.removeprefix("ml.").partition(".")[0]


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
