"""Operation of a fleet, without CDK.

Errors:

    FleetError           a command is not possible; the message contains what works
"""
