"""`deeplens fleet doctor`: checks an account, an environment and a device, and changes nothing.

examine      runs the checks, and returns one finding or more for each
Finding      the result of a check, and the command that repairs it
Patient      what is examined
"""

from deeplens.fleet.doctor.examination import examine
from deeplens.fleet.doctor.findings import Finding, Outcome, Patient

__all__ = ["Finding", "Outcome", "Patient", "examine"]
