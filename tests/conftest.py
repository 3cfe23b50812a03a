"""For all tests: which core is under test."""
from __future__ import annotations

import os

import pytest
from hypothesis import settings

# A busy machine is no fault of the code under test.
settings.register_profile("arcrtc", deadline=None)
settings.load_profile("arcrtc")


def pytest_report_header() -> str:
    from arcrtc.libraries import build_info, core_path

    return f"core: {core_path()} (sanitize: {build_info().get('sanitize', 'none')})"


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to test another core than the one that ci/sanitize.sh compiled."""
    wanted = os.environ.get("ARCRTC_TEST_CORE")
    if wanted is None:
        return
    from arcrtc.libraries import build_info, core_path

    found = build_info().get("sanitize", "none")
    if found != wanted:
        raise pytest.UsageError(f"{core_path()} is compiled with sanitizer '{found}', not '{wanted}'")
