"""Readers of environment files (one TOML file each), of delivery.toml, and of pinned files."""

from deeplens.config.artifact import (
    ARTIFACT_NAME,
    STATEMENT_NAME,
    ModelArtifact,
    hash_in_background,
    load_artifact,
)
from deeplens.config.aws_environment import GREENGRASS_REGIONS, AwsEnvironment
from deeplens.config.base import ConfigError
from deeplens.config.delivery import DeliveryConfig, load_delivery
from deeplens.config.disk_space import least_free_disk_mib
from deeplens.config.environment import EnvironmentConfig
from deeplens.config.fleet import FleetConfig
from deeplens.config.hosting import HostingConfig, VariantConfig
from deeplens.config.inference import ComponentKind, InferenceConfig
from deeplens.config.loading import (
    find_challenger,
    find_environment,
    load_environment,
    load_environments,
)
from deeplens.config.model_data import ModelData, load_model_data
from deeplens.config.model_store import ModelPin, ModelStoreConfig
from deeplens.config.monitoring import MonitoringConfig
from deeplens.config.rollout import RolloutConfig
from deeplens.config.runtime import (
    RUNTIME_ARCHIVE_NAME,
    RUNTIME_PYTHON,
    RuntimeArchive,
    RuntimeConfig,
    load_runtime,
)
from deeplens.config.signing import SigningConfig
from deeplens.config.training import TrainingConfig

__all__ = [
    "ARTIFACT_NAME",
    "GREENGRASS_REGIONS",
    "RUNTIME_ARCHIVE_NAME",
    "RUNTIME_PYTHON",
    "STATEMENT_NAME",
    "AwsEnvironment",
    "ComponentKind",
    "ConfigError",
    "DeliveryConfig",
    "EnvironmentConfig",
    "FleetConfig",
    "HostingConfig",
    "InferenceConfig",
    "ModelArtifact",
    "ModelData",
    "ModelPin",
    "ModelStoreConfig",
    "MonitoringConfig",
    "RolloutConfig",
    "RuntimeArchive",
    "RuntimeConfig",
    "SigningConfig",
    "TrainingConfig",
    "VariantConfig",
    "find_challenger",
    "find_environment",
    "hash_in_background",
    "least_free_disk_mib",
    "load_artifact",
    "load_delivery",
    "load_environment",
    "load_environments",
    "load_model_data",
    "load_runtime",
]
