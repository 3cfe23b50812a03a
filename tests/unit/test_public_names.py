"""The names of ``import arcrtc``: each loads, and the lazy table says the same as the static list."""
from __future__ import annotations

import arcrtc


def test_public_names_are_those_of_the_table_and_all_load() -> None:
    assert sorted(arcrtc._HOME) == arcrtc.__all__ == sorted(set(arcrtc.__all__))
    for name in arcrtc.__all__:
        assert getattr(arcrtc, name).__name__ == name
    assert set(arcrtc.__all__) <= set(dir(arcrtc))


def test_public_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(arcrtc, "NoSuchName")


def test_public_every_error_is_an_arc_error_and_a_built_in() -> None:
    errors = [getattr(arcrtc, name) for name in arcrtc.__all__ if name.endswith("Error") and name != "ArcError"]
    assert len(errors) == 27
    for cls in errors:
        assert issubclass(cls, arcrtc.ArcError)
        assert issubclass(cls, (ValueError, KeyError, OSError, MemoryError, BufferError, RuntimeError))
