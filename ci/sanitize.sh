#!/bin/sh
# The quick tests against a core compiled with a sanitizer: ci/sanitize.sh address|undefined
set -eu
VENV=${VENV:-.venv}
kind=$1
PY=$(cd "$(dirname "$VENV/bin/python")" && pwd)/python
out=build/sanitize-$kind
case $kind in address) runtime=libasan.so ;; undefined) runtime=libubsan.so ;; esac

mkdir -p "$out"
ARCRTC_SANITIZE=$kind "$PY" setup.py -q build_ext --build-temp "build/temp-$kind" --build-lib "$out"
cp -r arcrtc "$out/" 2>/dev/null || true
# build_ext put the instrumented core beside; the copy above must not win.
find "$out/arcrtc" -name '_core*.so' -delete
ARCRTC_SANITIZE=$kind "$PY" setup.py -q build_ext --build-temp "build/temp-$kind" --build-lib "$out"

# Python itself never frees all, and is not instrumented: leaks are counted by base/mem instead.
ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 ARCRTC_TEST_CORE=$kind \
LD_PRELOAD=$("${CC:-cc}" -print-file-name=$runtime) PYTHONMALLOC=malloc \
    "$PY" -m pytest -m "not slow" -p no:cacheprovider -o pythonpath="$out" tests/unit tests/vectors ${PYTEST_ARGS:-}
