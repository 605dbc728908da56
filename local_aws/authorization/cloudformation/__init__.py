"""The permissions that CloudFormation needs for each step of a resource's life cycle.

Plain data and functions: no ministack, no boto3. The emulator authorizes each step with them, and
the tests compare the policies in `policies/` with them.
"""

from local_aws.authorization.cloudformation.demands import Change, Demand, Role
from local_aws.authorization.cloudformation.resources import Resource
from local_aws.authorization.cloudformation.table import STEPS, Step

__all__ = ["STEPS", "Change", "Demand", "Resource", "Role", "Step"]
