"""The device architectures for which runtimes are built."""

from dataclasses import dataclass

PYTHON = "3.12"
_OLDEST_GLIBC_MINOR = 5


@dataclass(frozen=True)
class Target:
    """A device architecture, with its names in Greengrass and in the kernel."""

    architecture: str
    machine: str
    # The minor version of the newest glibc 2 that wheels may require.
    newest_glibc_minor: int

    @property
    def platforms(self) -> list[str]:
        """The compatible platform tags of wheels: newest glibc first, then the legacy names."""
        minors = range(self.newest_glibc_minor, _OLDEST_GLIBC_MINOR - 1, -1)
        legacy = ("manylinux2014", "manylinux2010", "manylinux1")
        return [
            *(f"manylinux_2_{minor}_{self.machine}" for minor in minors),
            *(f"{name}_{self.machine}" for name in legacy),
        ]

    @property
    def markers(self) -> dict[str, str]:
        """The values of requirement markers on the device, by the marker's variable."""
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


# The supported architectures. OpenVINO's wheels for Arm require the glibc of Ubuntu 22.04; Debian
# 12 has a newer glibc.
TARGETS = (Target("amd64", "x86_64", 31), Target("aarch64", "aarch64", 35))
