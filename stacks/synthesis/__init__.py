"""How `app.py` is run: what is asked for, from what, and what need not be built again.

Nothing here imports CDK: an unchanged synthesis ends before CDK is loaded.
"""

from stacks.synthesis.request import Request
from stacks.synthesis.running import run
from stacks.synthesis.turns import take_turns

__all__ = ["Request", "run", "take_turns"]
