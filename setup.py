"""Build of the native core; everything else stands in pyproject.toml.

``ARCRTC_WITHOUT_CORE=1`` leaves the core out: ``ci/setup.sh`` makes the editable
install with it, because ``make build`` compiles the core in place right after.
"""
import os
import sysconfig

from setuptools import setup

# cffi reads build_ffi.py by a path relative to the project's root.
os.chdir(os.path.dirname(os.path.abspath(__file__)))

core = [] if os.environ.get("ARCRTC_WITHOUT_CORE") else ["build_ffi.py:ffi_builder"]

# One wheel serves 3.10 and all later versions; a free-threaded Python has no stable ABI.
abi3 = {} if sysconfig.get_config_var("Py_GIL_DISABLED") else {"bdist_wheel": {"py_limited_api": "cp310"}}

setup(cffi_modules=core, options=abi3 if core else {})
