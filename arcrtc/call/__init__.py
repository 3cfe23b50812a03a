"""A whole call, measured: two peers on loopback through an emulated network, and its report."""
from __future__ import annotations

from arcrtc.call.runner import CallResult, run_call
from arcrtc.call.settings import CallSettings

__all__ = ["CallResult", "CallSettings", "run_call"]
