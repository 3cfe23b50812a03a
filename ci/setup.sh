#!/bin/sh
# System packages and the virtual environment: installs only what is missing. Run by make, once.
#   VENV=dir PYTHON=exe sh ci/setup.sh
set -eu
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
PYTHON=${PYTHON:-python3}

fail() {
    echo "setup: $*" >&2
    exit 1
}

# 1. System packages, on Debian and its relatives; elsewhere build_ffi.py names what is missing.
if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    missing=
    machine=$(uname -m)
    while read -r package only_on; do
        case $package in '' | '#'*) continue ;; esac
        case $only_on in '' | "[$machine]") ;; *) continue ;; esac
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done <ci/packages.txt
    if [ -n "$missing" ]; then
        echo "setup: installing$missing (about a minute)"
        as_root=
        if [ "$(id -u)" != 0 ]; then
            command -v sudo >/dev/null || fail "run this as root, or install sudo; wanted:$missing"
            as_root=sudo
        fi
        # env behind sudo: sudo drops the variable otherwise. Nobody is there to answer questions.
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get update -qq
        # One line for each of 300 packages helps nobody; faults come on standard error.
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
    fi
fi

# 2. The virtual environment. One that a broken run left without pip is made anew.
if ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    command -v "$PYTHON" >/dev/null || fail "no $PYTHON here; name one with PYTHON=..."
    "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 10))' ||
        fail "$("$PYTHON" --version) is too old: 3.10 or later is needed; name one with PYTHON=..."
    echo "setup: making $VENV"
    "$PYTHON" -m venv --clear "$VENV"
fi

# 3. What pyproject.toml asks for, and this tree as an editable package; make compiles its core.
pip() {
    "$VENV/bin/python" -m pip --disable-pip-version-check --no-input install -q "$@"
}
echo "setup: Python packages in $VENV"
pip 'pip>=23' 'setuptools>=68' wheel 'cffi>=1.16'
ARCRTC_WITHOUT_CORE=1 pip --no-build-isolation -e '.[test,lint]'
