"""Structures of dependency descriptors, written as the tables of AV1 RTP, section A.10.2."""
from __future__ import annotations

from arcrtc.rtpext import DependencyStructure, Dti, FrameDependencies

SYMBOLS = {"-": Dti.NOT_PRESENT, "D": Dti.DISCARDABLE, "S": Dti.SWITCH, "R": Dti.REQUIRED}


def frame(spatial: int, temporal: int, fdiffs: str, chains: str, dtis: str) -> FrameDependencies:
    """A row of a table of section A.10.2."""
    return FrameDependencies(spatial, temporal, tuple(SYMBOLS[c] for c in dtis),
                             tuple(map(int, fdiffs.split())), tuple(map(int, chains.split())))


L1T3 = DependencyStructure((  # A.10.2.1
    frame(0, 0, "", "0", "SSS"), frame(0, 0, "4", "4", "SSS"), frame(0, 1, "2", "2", "SD-"),
    frame(0, 2, "1", "1", "D--"), frame(0, 2, "1", "3", "D--")), (0, 0, 0))
L3T3 = DependencyStructure((  # A.10.2.2
    frame(0, 0, "", "0 0 0", "SSSSSSSSS"), frame(0, 0, "12", "12 11 10", "RRRRRRSSS"),
    frame(0, 1, "6", "6 5 4", "RR-RR-SD-"), frame(0, 2, "3", "3 2 1", "R--R--D--"),
    frame(0, 2, "3", "9 8 7", "R--R--D--"),
    frame(1, 0, "1", "1 1 1", "SSSSSS---"), frame(1, 0, "12 1", "1 1 1", "RRRSSS---"),
    frame(1, 1, "6 1", "7 6 5", "RR-SD----"), frame(1, 2, "3 1", "4 3 2", "R--D-----"),
    frame(1, 2, "3 1", "10 9 8", "R--D-----"),
    frame(2, 0, "1", "2 1 1", "SSS------"), frame(2, 0, "12 1", "2 1 1", "SSS------"),
    frame(2, 1, "6 1", "8 7 6", "SD-------"), frame(2, 2, "3 1", "5 4 3", "D--------"),
    frame(2, 2, "3 1", "11 10 9", "D--------")), (2, 2, 2, 1, 1, 1, 0, 0, 0), 16,
    ((320, 180), (640, 360), (1280, 720)))
L3T3_KEY_SHIFT = DependencyStructure((  # A.10.2.3
    frame(0, 0, "", "0 0 0", "SSSSSSSSS"), frame(0, 0, "3", "3 2 1", "------SSS"),
    frame(0, 0, "12", "12 8 1", "------SSS"), frame(0, 1, "6", "6 2 7", "------SD-"),
    frame(0, 2, "3", "3 5 4", "------D--"), frame(0, 2, "3", "9 5 10", "------D--"),
    frame(0, 2, "3", "3 11 4", "------D--"),
    frame(1, 0, "1", "1 1 1", "SSSSSS---"), frame(1, 0, "6", "4 6 5", "---SSS---"),
    frame(1, 0, "12", "4 12 5", "---SSS---"), frame(1, 1, "6", "10 6 11", "---SD----"),
    frame(1, 2, "3", "1 3 2", "---D-----"), frame(1, 2, "3", "7 3 8", "---D-----"),
    frame(1, 2, "3", "1 9 2", "---D-----"),
    frame(2, 0, "1", "2 1 1", "SSS------"), frame(2, 0, "12", "11 7 12", "SSS------"),
    frame(2, 1, "6", "5 1 6", "SD-------"), frame(2, 2, "3", "2 4 3", "D--------"),
    frame(2, 2, "3", "8 4 9", "D--------"), frame(2, 2, "3", "2 10 3", "D--------")),
    (2, 2, 2, 1, 1, 1, 0, 0, 0))
S2T1 = DependencyStructure((  # two independent encodings on one SSRC (section 3, "simulcast")
    frame(0, 0, "", "0 0", "S-"), frame(0, 0, "2", "2 1", "S-"),
    frame(1, 0, "", "1 0", "-S"), frame(1, 0, "2", "1 2", "-S")), (0, 1))
