"""`deeplens fleet doctor`: checks of an account, an environment and a device, without changes.

examine      runs the checks, and yields their findings
Finding      the result of a check, and the command that repairs it
Patient      the environment that is checked
"""

from deeplens.fleet.doctor.examination import examine
from deeplens.fleet.doctor.findings import Finding, Outcome, Patient

__all__ = ["Finding", "Outcome", "Patient", "examine"]
