#!/bin/sh
# Prints the path of the Python that an environment is made with:
#     find_python.sh BASE_PYTHON      the checkout's: the first of 3.11, 3.12 and 3.13 that works
#     find_python.sh DEVICE_PYTHON    the virtual device's: the same one
# The variable of that name overrides the choice. Each candidate is started, because the shim of a
# version manager is on PATH whether or not it leads to an interpreter, and because Debian's
# python3 has `ensurepip` only with the package python3-venv.
set -u
usable='import sys, venv, ensurepip
if (3, 11) <= sys.version_info[:2] <= (3, 13): print("usable")'
install="Debian, Ubuntu: sudo apt install python3 python3-venv; Fedora: sudo dnf install python3.13; \
macOS: brew install python@3.13"

works() {
    # The answer, not the exit code: /bin/true succeeds too.
    [ "$("$1" -c "$usable" 2>/dev/null)" = usable ]
}

# An environment's python leads to the one that it was made with: `make` replaces environments.
path_of() {
    "$1" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'
}

variable=${1:?"usage: find_python.sh BASE_PYTHON | DEVICE_PYTHON"}
case $variable in
BASE_PYTHON) chosen=${BASE_PYTHON:-} ;;
DEVICE_PYTHON) chosen=${DEVICE_PYTHON:-${BASE_PYTHON:-}} ;;
*)
    echo "find_python.sh: $variable is not a known variable: expected BASE_PYTHON or DEVICE_PYTHON" >&2
    exit 2
    ;;
esac
if [ -n "$chosen" ]; then
    if works "$chosen"; then
        path_of "$chosen"
        exit 0
    fi
    echo "$variable=$chosen is not usable: expected a Python 3.11, 3.12 or 3.13 that has venv and" \
        "ensurepip; unset the variable, or install one ($install)" >&2
    exit 1
fi
for candidate in python3.11 python3.12 python3.13 python3; do
    if works "$candidate"; then
        path_of "$candidate"
        exit 0
    fi
done
echo "no usable Python: expected python3.11, python3.12 or python3.13 with venv and ensurepip on PATH;" \
    "install one ($install), or set BASE_PYTHON to its path" >&2
exit 1
