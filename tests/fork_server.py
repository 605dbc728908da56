"""Imports of the fork server, which starts the processes that read models.

A process that is forked from it has these modules already. Their objects stay, so they are
imported without garbage collection, and no collection of a forked process visits them.
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
