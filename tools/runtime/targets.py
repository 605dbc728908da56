"""Which devices runtimes are built for."""

from dataclasses import dataclass

PYTHON = "3.12"
# Wheels up to this C library are taken; Ubuntu 22.04, Debian 12 and Amazon Linux 2023 are newer.
_NEWEST_GLIBC_MINOR = 31
_OLDEST_GLIBC_MINOR = 5


@dataclass(frozen=True)
class Target:
    """A kind of device: the architecture in Greengrass' word, and in the kernel's."""

    architecture: str
    machine: str

    @property
    def platforms(self) -> list[str]:
        """The wheel platform tags that fit, newest C library first."""
        minors = range(_NEWEST_GLIBC_MINOR, _OLDEST_GLIBC_MINOR - 1, -1)
        legacy = ("manylinux2014", "manylinux2010", "manylinux1")
        return [
            *(f"manylinux_2_{minor}_{self.machine}" for minor in minors),
            *(f"{name}_{self.machine}" for name in legacy),
        ]

    @property
    def markers(self) -> dict[str, str]:
        """The environment that requirement markers are evaluated in."""
        return {
            "implementation_name": "cpython",
            "implementation_version": f"{PYTHON}.0",
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_system": "Linux",
            "python_full_version": f"{PYTHON}.0",
            "python_version": PYTHON,
            "sys_platform": "linux",
        }


TARGETS = (Target("amd64", "x86_64"), Target("aarch64", "aarch64"))
