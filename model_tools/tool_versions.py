"""Versions of the libraries that affect the result of a conversion."""

from importlib.metadata import PackageNotFoundError, version

# The distributions that contain the module `tensorflow`; requirements/project.in selects one by
# processor.
_TENSORFLOW = ("tensorflow-cpu", "tensorflow")


def tool_versions() -> dict[str, str]:
    """Return the versions of Keras, NumPy and TensorFlow by module name.

    Python's version is not included because it does not change the bytes of an artifact.
    """
    return {
        "keras": version("keras"),
        "numpy": version("numpy"),
        "tensorflow": tensorflow_version(),
    }


def tensorflow_version() -> str:
    """Return TensorFlow's version without importing it.

    Raises:
        PackageNotFoundError: TensorFlow is not installed.
    """
    for name in _TENSORFLOW:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    raise PackageNotFoundError(" or ".join(_TENSORFLOW))
