"""What an environment is: one TOML file, typed and validated when it is read. No CDK here."""

from stacks.config.artifact import ARTIFACT_NAME, ModelArtifact, load_artifact
from stacks.config.delivery import DeliveryConfig, load_delivery
from stacks.config.environment import EnvironmentConfig
from stacks.config.errors import ConfigError
from stacks.config.fleet import FleetConfig
from stacks.config.hosting import HostingConfig, VariantConfig
from stacks.config.inference import InferenceConfig
from stacks.config.loading import load_environment, load_environments
from stacks.config.model_data import ModelData, load_model_data
from stacks.config.model_store import ModelPin, ModelStoreConfig
from stacks.config.monitoring import MonitoringConfig
from stacks.config.regions import GREENGRASS_REGIONS
from stacks.config.rollout import RolloutConfig
from stacks.config.training import TrainingConfig

__all__ = [
    "ARTIFACT_NAME",
    "GREENGRASS_REGIONS",
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
    "TrainingConfig",
    "VariantConfig",
    "load_artifact",
    "load_delivery",
    "load_environment",
    "load_environments",
    "load_model_data",
]
