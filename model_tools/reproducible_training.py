"""Settings under which TensorFlow trains the same weights on every x86-64 processor."""

import contextlib
import os

# Every x86-64 processor since 2015 has it. With wider instructions oneDNN adds in another order.
_INSTRUCTION_SET = "AVX2"
# A sum over a batch is split by threads, so their number decides its last bits.
_THREADS = 2


def configure(seed: int) -> None:
    """Seed every generator, and fix what else changes the order of additions.

    Call it before TensorFlow's first computation in the process. If TensorFlow has computed
    already, it keeps its number of threads; the weights are then the same on machines with as many
    processors.

    Args:
        seed: of Python's, NumPy's and TensorFlow's generators.
    """
    import keras  # noqa: PLC0415 - TensorFlow takes seconds
    import tensorflow as tf  # noqa: PLC0415 - as above

    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", _INSTRUCTION_SET)
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(_THREADS)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
