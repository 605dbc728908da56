"""Which devices runtimes are built for."""

from dataclasses import dataclass

PYTHON = "3.12"
_OLDEST_GLIBC_MINOR = 5


@dataclass(frozen=True)
class Target:
    """A kind of device: the architecture in Greengrass' word, and in the kernel's."""

    architecture: str
    machine: str
    # Wheels for a C library up to 2.x are taken.
    newest_glibc_minor: int

    @property
    def platforms(self) -> list[str]:
        """The wheel platform tags that fit, newest C library first."""
        minors = range(self.newest_glibc_minor, _OLDEST_GLIBC_MINOR - 1, -1)
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


# OpenVINO's wheels for Arm ask for Ubuntu 22.04's C library; Debian 12 has a newer one.
TARGETS = (Target("amd64", "x86_64", 31), Target("aarch64", "aarch64", 35))
