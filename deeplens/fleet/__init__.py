"""Commands for people who look after a fleet; nothing here needs CDK.

Errors:

    FleetError           what was asked cannot be done; the text says what would work
"""
