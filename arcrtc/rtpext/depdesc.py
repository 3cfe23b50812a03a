"""Dependency descriptor of video frames (C module ``wire/depdesc``).

Source: RTP Payload Format For AV1, appendix A.
"""
from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final

from arcrtc._native import check, ffi, lib
from arcrtc.errors import ArgumentError
from arcrtc.rtpext.base import check_range, write_value

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: Its name in SDP's ``a=extmap`` (section A.9).
DEPENDENCY_DESCRIPTOR_URI: Final = (
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension")

_ROOM: Final = int(lib.ARC_DEPDESC_MAX_BYTES)


class Dti(IntEnum):
    """Decode target indication: what a frame is to a decode target (table A.1)."""

    NOT_PRESENT = lib.ARC_DTI_NOT_PRESENT
    DISCARDABLE = lib.ARC_DTI_DISCARDABLE
    SWITCH = lib.ARC_DTI_SWITCH
    REQUIRED = lib.ARC_DTI_REQUIRED


@dataclass(frozen=True, slots=True)
class FrameDependencies:
    """What a frame needs and is needed for; a template, or of one frame.

    :ivar spatial_id: 0..7. :ivar temporal_id: 0..7.
    :ivar dtis: one for each decode target, 1..32.
    :ivar fdiffs: how many frames back those lie that it refers to, at most 16; each 1..16 in a
        template, else 1..4096.
    :ivar chain_fdiffs: how many frames back the last one of each chain lies, 0: none is needed;
        each 0..15 in a template, else 0..255.
    """

    spatial_id: int
    temporal_id: int
    dtis: tuple[Dti, ...]
    fdiffs: tuple[int, ...] = ()
    chain_fdiffs: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class DependencyStructure:
    """The templates that the frames of a coded video sequence refer to.

    :ivar templates: 1..64, from layer to layer as table A.2 allows: the same layer, the next
        temporal one, or the first temporal one of the next spatial one.
    :ivar protected_by: chain of each decode target; () without chains.
    :ivar template_id_offset: id of the first template, 0..63; another one for each structure.
    :ivar resolutions: (width, height) of each spatial layer, 1..65536; (): not said.
    :raises ArgumentError: the numbers of targets or chains differ between templates.
    """

    templates: tuple[FrameDependencies, ...]
    protected_by: tuple[int, ...] = ()
    template_id_offset: int = 0
    resolutions: tuple[tuple[int, int], ...] = ()

    def __post_init__(self) -> None:
        check_range(self, "template_id_offset", 0, 63)
        if not 1 <= len(self.templates) <= lib.ARC_DEPDESC_MAX_TEMPLATES:
            raise ArgumentError(f"DependencyStructure: {len(self.templates)} templates, 1..64 fit")
        if len({(len(t.dtis), len(t.chain_fdiffs)) for t in self.templates}) > 1:
            raise ArgumentError("DependencyStructure: all templates have as many dtis and chain_fdiffs")
        if len(self.protected_by) != (self.decode_targets if self.chains else 0):
            raise ArgumentError(f"DependencyStructure: protected_by={self.protected_by!r} must name the chain of "
                                f"each of {self.decode_targets} decode targets; () without chains")

    @property
    def decode_targets(self) -> int:
        """Number of decode targets, 1..32."""
        return len(self.templates[0].dtis)

    @property
    def chains(self) -> int:
        """Number of chains, 0..32."""
        return len(self.templates[0].chain_fdiffs)

    def target_layers(self) -> tuple[tuple[int, int], ...]:
        """The highest (spatial id, temporal id) of each decode target (section A.8.2, decode_target_layers)."""
        used = [[t for t in self.templates if t.dtis[i] != Dti.NOT_PRESENT] for i in range(self.decode_targets)]
        return tuple((max((t.spatial_id for t in ts), default=0), max((t.temporal_id for t in ts), default=0))
                     for ts in used)


@dataclass(frozen=True, slots=True)
class DependencyDescriptor:
    """The descriptor of one packet.

    :ivar frame_number: 0..65535, wraps.
    :ivar frame: layers and dependencies of the frame.
    :ivar start_of_frame: the packet is the first of its frame. :ivar end_of_frame: the last.
    :ivar structure: new templates, which the packet carries; None: it carries none.
    :ivar active_decode_targets: bit i: decode target i is still sent; None: the packet does not say.
    """

    frame_number: int
    frame: FrameDependencies
    start_of_frame: bool = True
    end_of_frame: bool = True
    structure: DependencyStructure | None = None
    active_decode_targets: int | None = None

    def serialize(self, structure: DependencyStructure | None = None) -> bytes:
        """The value of an element, with the template that takes the fewest bytes.

        :param structure: what the receiver has; not looked at where the packet carries one.
        :raises ArgumentError: no structure, a number out of its range, an order of templates that
            the format cannot say, or no template of the frame's layers.
        :raises BufferSpaceError: more than 255 bytes.
        """
        use = self.structure or structure
        if use is None:
            raise ArgumentError("DependencyDescriptor.serialize: there is no structure")
        check_range(self, "frame_number", 0, 0xFFFF)
        c: Any = ffi.new("struct arc_depdesc *")
        c.starts_frame, c.ends_frame, c.frame_number = self.start_of_frame, self.end_of_frame, self.frame_number
        c.has_structure = self.structure is not None
        c.has_active_targets = self.active_decode_targets is not None
        try:
            c.active_targets = self.active_decode_targets or 0
            _fill_deps(c.deps, self.frame, use)
            native = _native_structure(use)
        except (OverflowError, IndexError, TypeError) as error:
            raise ArgumentError(f"DependencyDescriptor.serialize: {error}") from None
        return write_value(lambda *out: lib.arc_depdesc_write(c, native, *out), _ROOM,
                           "DependencyDescriptor.serialize")


class DependencyReader:
    """Reads the descriptors of one stream, in the order its packets were sent.

    Keeps the templates, and which decode targets are active. A packet that fails
    changes nothing. Not thread-safe: one thread at a time.
    """

    __slots__ = ("_c", "_structure")

    def __init__(self) -> None:
        self._c: Any = ffi.new("struct arc_depdesc_reader *")
        self._structure: DependencyStructure | None = None

    @property
    def structure(self) -> DependencyStructure | None:
        """The templates that came last; None: none yet."""
        return self._structure

    @property
    def active_decode_targets(self) -> int:
        """Bit i: decode target i is sent; 0 before the first structure (section A.4)."""
        return int(self._c.active_targets)

    def read(self, value: Buffer) -> DependencyDescriptor | None:
        """Read the value of an element; None: it refers to templates that have not come.

        :raises ParseError: malformed.
        :raises LimitError: more than 8 layers of a kind, or 16 references of a frame.
        """
        data = value if type(value) is bytes else memoryview(value).tobytes()
        c: Any = ffi.new("struct arc_depdesc *")
        if not check(lib.arc_depdesc_read(self._c, data, len(data), c), "DependencyReader.read"):
            return None
        if c.has_structure:
            self._structure = _structure_of(self._c.structure)
        structure = self._c.structure
        return DependencyDescriptor(
            c.frame_number, _deps_of(c.deps, structure.n_targets, structure.n_chains), c.starts_frame, c.ends_frame,
            self._structure if c.has_structure else None,
            int(c.active_targets) if c.has_active_targets else None)


def _deps_of(c: Any, n_targets: int, n_chains: int) -> FrameDependencies:
    return FrameDependencies(
        c.spatial_id, c.temporal_id, tuple(Dti(c.dtis[i]) for i in range(n_targets)),
        tuple(c.fdiffs[i] for i in range(c.n_fdiffs)), tuple(c.chain_fdiffs[i] for i in range(n_chains)))


def _structure_of(c: Any) -> DependencyStructure:
    templates = tuple(_deps_of(c.templates[i], c.n_targets, c.n_chains) for i in range(c.n_templates))
    sizes = range(templates[-1].spatial_id + 1 if c.has_sizes else 0)
    return DependencyStructure(
        templates, tuple(c.protected_by[i] for i in range(c.n_targets if c.n_chains else 0)), c.id_offset,
        tuple((c.width_px[i], c.height_px[i]) for i in sizes))


def _fill_deps(c: Any, deps: FrameDependencies, structure: DependencyStructure) -> None:
    if len(deps.dtis) != structure.decode_targets or len(deps.chain_fdiffs) != structure.chains:
        raise ArgumentError(f"{deps!r} does not fit {structure.decode_targets} decode targets and "
                            f"{structure.chains} chains")
    c.spatial_id, c.temporal_id, c.n_fdiffs = deps.spatial_id, deps.temporal_id, len(deps.fdiffs)
    c.dtis, c.fdiffs, c.chain_fdiffs = deps.dtis, deps.fdiffs, deps.chain_fdiffs


def _native_structure(structure: DependencyStructure) -> Any:
    c: Any = ffi.new("struct arc_depdesc_structure *")
    c.id_offset, c.n_templates = structure.template_id_offset, len(structure.templates)
    c.n_targets, c.n_chains = structure.decode_targets, structure.chains
    c.protected_by = structure.protected_by
    for i, template in enumerate(structure.templates):
        _fill_deps(c.templates[i], template, structure)
    if structure.resolutions:
        n = structure.templates[-1].spatial_id + 1
        if len(structure.resolutions) != n:
            raise ArgumentError(f"{len(structure.resolutions)} resolutions for {n} spatial layers")
        c.has_sizes = True
        c.width_px, c.height_px = zip(*structure.resolutions, strict=True)
    return c
