"""Imports of the fork server, whose processes read models.

A forked process shares these modules. The import has no garbage collection, so no collection
in a forked process visits the modules' objects.
"""

import gc
import warnings

gc.disable()
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import keras  # noqa: F401
    import tensorflow  # noqa: F401, ICN001

    import model_tools.formats.tf1
    import model_tools.formats.tf2
    import model_tools.freezing.freeze  # noqa: F401

gc.freeze()
gc.enable()
