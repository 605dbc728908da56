"""The nuclei that the virtual core models, by kind."""

from local_aws.core_device.classic import Classic
from local_aws.core_device.lite import Lite
from local_aws.core_device.nucleus import Kind, Nucleus

NUCLEI: dict[Kind, Nucleus] = {"classic": Classic(), "lite": Lite()}
