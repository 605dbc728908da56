"""Import TensorFlow without its startup messages, and configure it for reproducible training."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2
# The widest instructions that oneDNN uses. x86-64 processors since 2015 support AVX2. With wider
# instructions, oneDNN adds in another order.
_INSTRUCTION_SET = "AVX2"
# The number of threads of an operation. Threads split the sum over a batch, so their number affects
# the last bits of the sum.
_THREADS = 2


def load_tensorflow() -> None:
    """Import TensorFlow without its startup messages."""
    if "tensorflow" not in sys.modules:
        with suppressed_stderr():
            import tensorflow  # noqa: F401, ICN001, PLC0415 - takes seconds to import; fills sys.modules


@contextmanager
def suppressed_stderr() -> Iterator[None]:
    """Suppress the stderr output of native code, and write it if the block raises an error.

    TensorFlow logs a message about oneDNN before its log is initialized, at any
    TF_CPP_MIN_LOG_LEVEL.
    """
    sys.stderr.flush()
    original = os.dup(_STDERR)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), _STDERR)
        try:
            yield
        except BaseException:
            _restore_stderr(original)
            file.seek(0)
            os.write(_STDERR, file.read())
            raise
        _restore_stderr(original)


def configure_training(seed: int) -> None:
    """Configure TensorFlow to train the same weights on every x86-64 processor.

    Call this function before the first computation of TensorFlow in the process. After a
    computation, TensorFlow does not change its number of threads: the weights are then only
    reproducible on machines with the same number of processors.

    Args:
        seed: seed of the generators of Python, NumPy and TensorFlow.
    """
    import keras  # noqa: PLC0415 - imports TensorFlow
    import tensorflow as tf  # noqa: PLC0415 - as above

    os.environ.setdefault("ONEDNN_MAX_CPU_ISA", _INSTRUCTION_SET)
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(_THREADS)
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def _restore_stderr(original: int) -> None:
    sys.stderr.flush()
    os.dup2(original, _STDERR)
    os.close(original)
