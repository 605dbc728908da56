"""A model's own `code/`, looked at and not executed, before SageMaker's container runs it."""

import ast
from pathlib import Path

from model_tools.errors import SourceError

_SCRIPT, _REQUIREMENTS = "inference.py", "requirements.txt"
_MOST_FILES = 10_000


def code_files(folder: Path, *, handlers: bool) -> dict[str, Path]:
    """Return the files to pack, by their places in the archive.

    Args:
        folder: has inference.py, requirements.txt, or both; everything else is packed, too.
        handlers: inference.py must define those of SageMaker's TensorFlow Serving container.

    Raises:
        SourceError: it has neither, a link, or an inference.py that cannot run.
    """
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder; --code is one, with {_SCRIPT}")
    if not any((folder / name).is_file() for name in (_SCRIPT, _REQUIREMENTS)):
        raise SourceError(f"{folder} has no {_SCRIPT} and no {_REQUIREMENTS}")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if "__pycache__" in place.parts or any(part.startswith(".") for part in place.parts):
            continue
        if path.is_symlink():
            raise SourceError(f"{path} is a link; give the file itself")
        if path.is_file():
            found[f"code/{place.as_posix()}"] = path
        if len(found) > _MOST_FILES:
            raise SourceError(f"{folder} has over {_MOST_FILES} files")
    if f"code/{_SCRIPT}" in found:
        _check_script(found[f"code/{_SCRIPT}"], handlers=handlers)
    return found


def _check_script(file: Path, *, handlers: bool) -> None:
    try:
        tree = ast.parse(file.read_bytes(), str(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{file} is no Python: {error}") from None
    names = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {alias.asname or alias.name for alias in node.names}
    # What `import *` or a condition defines is not known here.
    known = "*" not in names and not any(isinstance(node, ast.If | ast.Try) for node in tree.body)
    if (
        handlers
        and known
        and "handler" not in names
        and not {"input_handler", "output_handler"} <= names
    ):
        raise SourceError(
            f"{file} needs handler(data, context), or both input_handler(data, context) and "
            "output_handler(response, context)"
        )
