"""Operation of a fleet, without CDK.

Errors:

    FleetError           raised if a command is not possible; the message contains a solution
"""
