"""Build of the native core; everything else stands in pyproject.toml."""
import os

from setuptools import setup

# cffi reads build_ffi.py by a path relative to the project's root.
os.chdir(os.path.dirname(os.path.abspath(__file__)))

setup(cffi_modules=["build_ffi.py:ffi_builder"])
