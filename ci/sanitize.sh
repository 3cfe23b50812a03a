#!/bin/sh
# The quick tests against a core compiled with a sanitizer: ci/sanitize.sh address|undefined
set -eu
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
kind=${1:-}
case $kind in
    address) runtime=libasan.so ;;
    undefined) runtime=libubsan.so ;;
    *) echo "usage: ci/sanitize.sh address|undefined" >&2; exit 2 ;;
esac
PY=$(cd "$VENV/bin" && pwd)/python
out=$PWD/build/sanitize-$kind

# A package of its own: this tree's Python files beside a core compiled for this run.
mkdir -p "$out"
rm -rf "$out/arcrtc.new"
cp -r arcrtc "$out/arcrtc.new"
find "$out/arcrtc.new" -name '_core*.so' -delete
[ ! -d "$out/arcrtc" ] || find "$out/arcrtc" -name '_core*.so' -exec mv {} "$out/arcrtc.new/" \;
rm -rf "$out/arcrtc"
mv "$out/arcrtc.new" "$out/arcrtc"
ARCRTC_SANITIZE=$kind "$PY" -W ignore setup.py -q build_ext --build-temp "build/temp-$kind" --build-lib "$out"

# tests.model comes from this folder, arcrtc from $out, which stands first; tests/conftest.py refuses
# to run with another core. Capture Python's output only: the sanitizer's report goes to descriptor 2,
# and the process ends with it. Python never frees all and is not instrumented: leaks are counted by base/mem.
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc ARCRTC_TEST_CORE="$kind"
# libstdc++ beside it: the sanitizer looks up C++ exceptions (matplotlib throws them) when it starts.
preload="$("${CC:-cc}" -print-file-name=$runtime) $("${CC:-cc}" -print-file-name=libstdc++.so.6)"
LD_PRELOAD=$preload exec "$PY" -m pytest -m "not slow and not build" \
    --capture=sys -p no:cacheprovider -o "pythonpath=$out ." $(ls -d tests/unit tests/vectors 2>/dev/null) ${PYTEST_ARGS:-}
