"""The function's sources as one zip, the same bytes on any machine."""

import hashlib
import zipfile
from functools import cache

from stacks.constructs.file_assets import StagedFile
from stacks.constructs.inference_function import SOURCES
from stacks.constructs.temporary_files import temporary_file

ARCHIVE_NAME = "function.zip"

_FIRST_TIME_OF_A_ZIP = (1980, 1, 1, 0, 0, 0)
_READABLE = 0o644


@cache
def function_archive() -> StagedFile:
    """Zip the sources, without what Python leaves beside them; neither times nor order matter."""
    file = temporary_file(ARCHIVE_NAME)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for source in sorted(SOURCES.rglob("*")):
            if source.is_file() and "__pycache__" not in source.parts:
                name = source.relative_to(SOURCES).as_posix()
                info = zipfile.ZipInfo(name, _FIRST_TIME_OF_A_ZIP)
                info.external_attr = _READABLE << 16
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, source.read_bytes())
    return StagedFile(file, hashlib.sha256(file.read_bytes()).hexdigest())
