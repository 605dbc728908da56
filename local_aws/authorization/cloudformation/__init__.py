"""The permissions that CloudFormation needs for each step of a resource's life cycle.

The package imports neither ministack nor boto3. The emulator checks these permissions at each
step, and tests compare the policies in `policies/` with them.
"""
