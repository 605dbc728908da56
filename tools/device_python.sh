#!/bin/sh
# Prints the interpreter that the virtual camera uses: python3.12, the function's runtime, where
# one runs, else python3.11. Asking it to run is on purpose: a version manager's shim is on PATH
# whether or not there is an interpreter behind it.
for candidate in "${DEVICE_PYTHON:-python3.12}" python3.11; do
    if "$candidate" -c 'import venv' >/dev/null 2>&1; then
        command -v "$candidate"
        exit 0
    fi
done
echo "device_python: neither python3.12 nor python3.11 runs on this machine; install one of them" >&2
exit 1
