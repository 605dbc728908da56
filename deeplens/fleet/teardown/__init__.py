"""`deeplens fleet teardown`: deletes an environment, and states what remains.

take_inventory   lists what exists, and changes nothing
tear_down        deletes it in order; may be repeated after a failure
"""

from deeplens.fleet.teardown.inventory import Inventory, take_inventory
from deeplens.fleet.teardown.removal import tear_down

__all__ = ["Inventory", "take_inventory", "tear_down"]
