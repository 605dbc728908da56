"""What a broken zip does to its reader."""

import struct
import zipfile
import zlib

# All that `zipfile` was seen to raise for a file that is no zip, is cut short, is encrypted, or is
# compressed in a way that it does not know (RuntimeError and its kinds).
BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
)
