#!/bin/sh
# System packages and the virtual environment. Run by make, once: installs only what is missing.
set -eu
VENV=${VENV:-.venv}
PYTHON=${PYTHON:-python3}

# 1. System packages, on Debian and its relatives; elsewhere build_ffi.py names what is missing.
if command -v dpkg-query >/dev/null; then
    missing=$(grep -v '^#' ci/packages.txt | while read -r package; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
    done)
    if [ -n "$missing" ]; then
        echo "setup: installing $(echo $missing)"
        run=
        if [ "$(id -u)" != 0 ]; then
            command -v sudo >/dev/null || { echo "setup: run as root, or install sudo; needed: $missing" >&2; exit 1; }
            run=sudo
        fi
        $run env DEBIAN_FRONTEND=noninteractive apt-get update -q
        $run env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $missing
    fi
fi

# 2. The virtual environment, with what pyproject.toml asks for, and this tree as an editable package.
[ -x "$VENV/bin/python" ] || "$PYTHON" -m venv "$VENV"
"$VENV/bin/pip" install -q --disable-pip-version-check --upgrade 'pip>=23' 'setuptools>=68' wheel 'cffi>=1.16'
"$VENV/bin/pip" install -q --disable-pip-version-check --no-build-isolation -e '.[test,lint]'
