"""What an environment is: one TOML file, typed and validated when it is read. No CDK here."""

from stacks.config.artifact import (
    ARTIFACT_NAME,
    STATEMENT_NAME,
    ModelArtifact,
    hashed_meanwhile,
    load_artifact,
)
from stacks.config.delivery import DeliveryConfig, load_delivery
from stacks.config.disk_space import least_free_disk_mib
from stacks.config.environment import EnvironmentConfig
from stacks.config.errors import ConfigError
from stacks.config.fleet import FleetConfig
from stacks.config.hosting import HostingConfig, VariantConfig
from stacks.config.inference import ComponentKind, InferenceConfig
from stacks.config.loading import chosen, load_environment, load_environments
from stacks.config.model_data import ModelData, load_model_data
from stacks.config.model_store import ModelPin, ModelStoreConfig
from stacks.config.monitoring import MonitoringConfig
from stacks.config.place import Place
from stacks.config.regions import GREENGRASS_REGIONS
from stacks.config.rollout import RolloutConfig
from stacks.config.runtime import (
    RUNTIME_ARCHIVE_NAME,
    RUNTIME_PYTHON,
    RuntimeArchive,
    RuntimeConfig,
    load_runtime,
)
from stacks.config.signing import SigningConfig
from stacks.config.training import TrainingConfig

__all__ = [
    "ARTIFACT_NAME",
    "GREENGRASS_REGIONS",
    "RUNTIME_ARCHIVE_NAME",
    "RUNTIME_PYTHON",
    "STATEMENT_NAME",
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
    "Place",
    "RolloutConfig",
    "RuntimeArchive",
    "RuntimeConfig",
    "SigningConfig",
    "TrainingConfig",
    "VariantConfig",
    "chosen",
    "hashed_meanwhile",
    "least_free_disk_mib",
    "load_artifact",
    "load_delivery",
    "load_environment",
    "load_environments",
    "load_model_data",
    "load_runtime",
]
