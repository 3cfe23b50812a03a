"""router/rewrite: a stream without holes but those that the network made."""
from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from arcrtc._native import ffi, lib
from tests.model.rewrite_model import RewriteModel


def _new(first: int = 1000, ts_offset: int = 0):
    w = ffi.new("struct arc_rewrite *")
    lib.arc_rewrite_init(w, first, ts_offset)
    return w, ffi.new("struct arc_rewrite_place *")


@st.composite
def _traffic(draw):
    """Packets in nearly their order: some lost, some late, some to be left out."""
    n = draw(st.integers(1, 120))
    keys = [(i + draw(st.integers(0, 6)) * draw(st.booleans()), i) for i in range(n)]
    order = [i for _, i in sorted(keys)]
    lost = draw(st.sets(st.integers(0, n - 1), max_size=n // 3))
    left_out = draw(st.lists(st.booleans(), min_size=n, max_size=n))
    return [(i, left_out[i // 3]) for i in order if i not in lost], draw(st.integers(0, 2**40)), draw(
        st.integers(0, 65535))


@given(_traffic())
def test_agrees_with_the_model(traffic):
    packets, base, first = traffic
    w, place = _new(first, 77)
    model = RewriteModel(first)
    given_away = {}
    for i, left_out in packets:
        if left_out:
            lib.arc_rewrite_drop(w, base + i)
            model.drop(base + i)
            continue
        want = model.forward(base + i)
        ok = lib.arc_rewrite_forward(w, base + i, place)
        if ok:  # what is too far back may be forgotten, and only that
            assert want is not None
            assert place.seq16 == want % 65536
            assert place.ts_offset == 77
            assert getattr(place, "in") == base + i
            given_away[want % 65536] = base + i
        else:
            assert want is None or w.spans > lib.ARC_REWRITE_SPANS
    for out, seq in given_away.items():
        if lib.arc_rewrite_origin(w, out, place):
            assert getattr(place, "in") == seq
        else:
            assert w.spans > lib.ARC_REWRITE_SPANS


@given(st.integers(1, 2**40), st.integers(1, 2**40), st.integers(0, 65535))
def test_another_source_goes_on_with_the_next_number(a, b, first):
    w, place = _new(first)
    for i in range(5):
        assert lib.arc_rewrite_forward(w, a + i, place)
        assert place.seq16 == (first + i) % 65536
    lib.arc_rewrite_splice(w, 1, b, 500)
    assert lib.arc_rewrite_forward(w, b, place)
    assert place.seq16 == (first + 5) % 65536
    assert place.source == 1
    assert place.ts_offset == 500
    assert not lib.arc_rewrite_forward(w, b - 1, place), "before the switch"
    for i in range(5):
        assert lib.arc_rewrite_origin(w, (first + i) % 65536, place)
        assert (place.source, getattr(place, "in")) == (0, a + i)
    assert lib.arc_rewrite_origin(w, (first + 5) % 65536, place)
    assert (place.source, getattr(place, "in")) == (1, b)
    assert not lib.arc_rewrite_origin(w, (first + 6) % 65536, place)


def test_a_restarted_source_goes_on_with_the_next_number():
    w, place = _new(10)
    assert lib.arc_rewrite_forward(w, 100_000, place)
    assert lib.arc_rewrite_forward(w, 50, place)
    assert place.seq16 == 11
    assert lib.arc_rewrite_forward(w, 50 + lib.ARC_REWRITE_JUMP_PKTS + 1, place)
    assert place.seq16 == 12
