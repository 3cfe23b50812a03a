"""The streams of a manager as rows, joined with what engines and routers count."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from arcrtc.errors import ClosedError
from arcrtc.streams.stream import MediaType, Stream, StreamState
from arcrtc.streamtables import StreamPlace, StreamTables, row_dtype

#: what the numbers in the columns ``state`` and ``media_type`` stand for
STATES: Final[tuple[StreamState, ...]] = tuple(StreamState)
MEDIA_TYPES: Final[tuple[MediaType, ...]] = tuple(MediaType)

_ROW: Final = row_dtype("struct arc_stream_row")
_HEAD: Final = np.dtype([("stream_id", "V16"), ("user_id", "V16"), ("created_us", "i8"), ("state_since_us", "i8"),
                         ("bitrate", "i8"), ("own_ssrc", "u4"), ("state", "u1"), ("media_type", "u1"),
                         ("bound", "?"), ("found", "?")])


def _joined() -> np.dtype[Any]:
    """Columns of a stream, and behind them those of a stream table."""
    assert _HEAD.names is not None
    assert _ROW.names is not None
    offsets = [_HEAD.fields[name][1] for name in _HEAD.names]  # type: ignore[index]
    offsets += [_HEAD.itemsize + _ROW.fields[name][1] for name in _ROW.names]  # type: ignore[index]
    return np.dtype({"names": [*_HEAD.names, *_ROW.names],
                     "formats": [*(_HEAD[name] for name in _HEAD.names), *(_ROW[name] for name in _ROW.names)],
                     "offsets": offsets, "itemsize": _HEAD.itemsize + _ROW.itemsize})


#: type of the rows of :meth:`StreamManager.table`
TABLE_DTYPE: Final = _joined()
#: the same rows as one block, and as two: bytes are copied much quicker than members
_WHOLE: Final = np.dtype(f"V{TABLE_DTYPE.itemsize}")
_BLOCKS: Final = np.dtype([("head", f"V{_HEAD.itemsize}"), ("row", f"V{_ROW.itemsize}")])

_OWNER_SHIFT: Final = 35  # a key: place of the owner, stream (31 bits), source (3 bits), direction
_STREAM_SHIFT: Final = 4


class _Origin:
    """An engine or a router, and the places of those owners there that something is bound to."""

    def __init__(self, tables: StreamTables) -> None:
        self.tables = tables
        self.places: dict[int, int] = {}  # owner: its place
        self.bound: dict[int, int] = {}  # owner: streams that are bound there
        self.sorted: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    def lookup(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Owners, ascending, and the place of each."""
        if self.sorted is None:
            owners = np.fromiter(self.places.keys(), np.int64, len(self.places))
            places = np.fromiter(self.places.values(), np.int64, len(self.places))
            order = np.argsort(owners)
            self.sorted = owners[order], places[order]
        return self.sorted

    def keys(self, table: NDArray[Any]) -> NDArray[np.int64]:
        """Key of each row of a stream table; 0: nothing is bound to its owner."""
        owners, places = self.lookup()
        owner = table["owner"]
        at = np.minimum(np.searchsorted(owners, owner), len(owners) - 1)
        inbound = table["direction"] == 0
        keys = (places[at] << _OWNER_SHIFT) | (table["stream"].astype(np.int64) << _STREAM_SHIFT)
        keys |= np.where(inbound, table["source"] << 1, 1)  # that of a route is what it forwards just now
        keys[owners[at] != owner] = 0
        return keys


@dataclass(frozen=True, slots=True)
class _Snapshot:
    """What a read needs, taken in one moment."""

    out: NDArray[Any]
    row_of_slot: NDArray[np.int64]
    keys: NDArray[np.int64]  # ascending
    slots: NDArray[np.int64]  # of each key
    origins: tuple[_Origin, ...]


class StreamRows:
    """A row a stream, in arrays: creating, changing and binding one touches its row only.

    The caller sees to it that one call at a time is made, but for :meth:`join`.
    """

    def __init__(self) -> None:
        self._rows = np.zeros(64, TABLE_DTYPE)
        self._number = np.zeros(64, np.int64)  # order of creation, from 1; 0: a free slot
        self._keys = np.zeros(64, np.int64)  # 0: nothing is bound
        self._slots: dict[Any, int] = {}  # by stream id
        self._free = list(range(63, -1, -1))
        self._created = 0
        self._origins: dict[int, _Origin] = {}  # by id() of the engine or router
        self._free_places: list[int] = []
        self._last_place = 0
        self._at: dict[int, tuple[_Origin, int]] = {}  # slot: where it is bound
        self._sorted: tuple[NDArray[np.int64], NDArray[np.int64]] | None = None

    # --- streams ---

    def add(self, stream: Stream) -> None:
        """A stream more."""
        if not self._free:
            self._grow()
        slot = self._slots[stream.stream_id] = self._free.pop()
        self._created += 1
        self._number[slot] = self._created
        row = self._rows[slot]
        row["stream_id"] = np.void(stream.stream_id.bytes)
        row["user_id"] = np.void(stream.user_id.bytes)
        row["created_us"] = stream.created_us
        row["bitrate"] = stream.config.bitrate
        row["own_ssrc"] = stream.ssrc
        row["media_type"] = MEDIA_TYPES.index(stream.media_type)
        self.change(stream)

    def _grow(self) -> None:
        n = len(self._rows)
        self._rows = np.concatenate([self._rows, np.zeros(n, TABLE_DTYPE)])
        self._number = np.concatenate([self._number, np.zeros(n, np.int64)])
        self._keys = np.concatenate([self._keys, np.zeros(n, np.int64)])
        self._free = list(range(2 * n - 1, n - 1, -1))

    def change(self, stream: Stream) -> None:
        """Its state is another one."""
        row = self._rows[self._slots[stream.stream_id]]
        row["state"] = STATES.index(stream.state)
        row["state_since_us"] = stream.state_since_us

    def remove(self, stream: Stream) -> None:
        """A stream less; what is bound to it must have been unbound."""
        slot = self._slots.pop(stream.stream_id)
        self._number[slot] = 0
        self._free.append(slot)

    # --- what is bound ---

    def bind(self, stream_id: Any, place: StreamPlace, source: int) -> None:
        """From now on its figures are those of this place."""
        slot = self._slots[stream_id]
        origin = self._origins.setdefault(id(place.tables), _Origin(place.tables))
        if place.owner not in origin.places:
            if self._free_places:
                origin.places[place.owner] = self._free_places.pop()
            else:
                self._last_place += 1
                origin.places[place.owner] = self._last_place
            origin.sorted = None
        origin.bound[place.owner] = origin.bound.get(place.owner, 0) + 1
        self._keys[slot] = (origin.places[place.owner] << _OWNER_SHIFT | place.stream << _STREAM_SHIFT
                            | source << 1 | place.direction)
        self._rows[slot]["bound"] = True
        self._at[slot] = origin, place.owner
        self._sorted = None

    def unbind(self, stream_id: Any) -> None:
        """Its figures are zeros from now on."""
        slot = self._slots[stream_id]
        origin, owner = self._at.pop(slot)
        self._keys[slot] = 0
        self._rows[slot]["bound"] = False
        self._sorted = None
        origin.bound[owner] -= 1
        if origin.bound[owner] == 0:
            del origin.bound[owner]
            self._free_places.append(origin.places.pop(owner))
            origin.sorted = None
        if not origin.places:
            del self._origins[id(origin.tables)]

    # --- reading ---

    def _live(self) -> NDArray[np.int64]:
        """Slots in the order of creation."""
        slots = np.flatnonzero(self._number)
        order: NDArray[np.int64] = slots[np.argsort(self._number[slots])]
        return order

    def snapshot(self) -> _Snapshot:
        """All that :meth:`join` needs."""
        live = self._live()
        row_of_slot = np.zeros(len(self._rows), np.int64)
        row_of_slot[live] = np.arange(len(live))
        if self._sorted is None:
            slots = np.flatnonzero(self._keys)
            slots = slots[np.argsort(self._keys[slots])]
            self._sorted = self._keys[slots], slots
        out = self._rows.view(_WHOLE)[live].view(TABLE_DTYPE)
        return _Snapshot(out, row_of_slot, *self._sorted, tuple(self._copies()))

    def _copies(self) -> Iterator[_Origin]:
        """Origins as they are now: a place that becomes free may soon be another owner's."""
        for origin in self._origins.values():
            copy = _Origin(origin.tables)
            copy.sorted = origin.lookup()
            yield copy

    @staticmethod
    def join(shot: _Snapshot) -> NDArray[Any]:
        """Fill the figures in. Engines and routers are asked, one call each; those that are closed have none."""
        blocks = shot.out.view(_BLOCKS)
        for origin in shot.origins:
            try:
                table = origin.tables.stream_table()
            except ClosedError:
                continue
            keys = origin.keys(table)
            at = np.minimum(np.searchsorted(shot.keys, keys), len(shot.keys) - 1)
            hit = np.flatnonzero(shot.keys[at] == keys)
            rows = shot.row_of_slot[shot.slots[at[hit]]]
            blocks["row"][rows] = table.view(_BLOCKS["row"])[hit]
            shot.out["found"][rows] = True
        return shot.out
