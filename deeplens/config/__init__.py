"""What an environment is: one TOML file, typed and validated when it is read. No CDK here."""

from deeplens.config.artifact import (
    ARTIFACT_NAME,
    STATEMENT_NAME,
    ModelArtifact,
    hashed_meanwhile,
    load_artifact,
)
from deeplens.config.delivery import DeliveryConfig, load_delivery
from deeplens.config.disk_space import least_free_disk_mib
from deeplens.config.environment import EnvironmentConfig
from deeplens.config.errors import ConfigError
from deeplens.config.fleet import FleetConfig
from deeplens.config.hosting import HostingConfig, VariantConfig
from deeplens.config.inference import ComponentKind, InferenceConfig
from deeplens.config.loading import chosen, load_environment, load_environments
from deeplens.config.model_data import ModelData, load_model_data
from deeplens.config.model_store import ModelPin, ModelStoreConfig
from deeplens.config.monitoring import MonitoringConfig
from deeplens.config.place import Place
from deeplens.config.regions import GREENGRASS_REGIONS
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
