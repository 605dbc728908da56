"""`deeplens fleet teardown`: deletion of an environment, with a report of remaining resources.

take_inventory   lists the existing resources, without changes
tear_down        deletes them in order; may be repeated after a failure
"""

from deeplens.fleet.teardown.inventory import Inventory, take_inventory
from deeplens.fleet.teardown.removal import tear_down

__all__ = ["Inventory", "take_inventory", "tear_down"]
