"""A room on two routers of an engine, with a relay between them: policy, applier, native threads and real sockets."""
from __future__ import annotations

import socket

from arcrtc import Engine, RtpHeader, RtpPacket, SrtpConfig, SrtpPipeline
from arcrtc.routing import LegConfig, RelayNetwork, Room, RoomApplier, RouterConfig, TrackConfig

SMALL = RouterConfig(pool_pkts=1024)


class Person:
    """A participant: a plain socket with a key of its own."""

    def __init__(self, router, name: str) -> None:
        self.name, self.key = name, SrtpConfig.generate()
        self.pipeline = SrtpPipeline(self.key)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(5)
        self.leg = router.add_leg(LegConfig(srtp=self.key), local="127.0.0.1:0",
                                  remote=f"127.0.0.1:{self.socket.getsockname()[1]}")
        host, port = router.local_address(self.leg).rsplit(":", 1)
        self.address = host, int(port)

    def __del__(self) -> None:
        self.socket.close()

    def speak(self, ssrc: int, seq: int) -> None:
        header = RtpHeader(sequence_number=seq, timestamp=960 * seq, ssrc=ssrc, payload_type=111)
        packet = RtpPacket(header=header, payload=f"{self.name} {seq}".encode())
        self.socket.sendto(self.pipeline.encrypt(packet), self.address)

    def hear(self, packets: int) -> list[str]:
        heard = []
        while len(heard) < packets:
            data = self.socket.recv(2048)
            if not 192 <= data[1] <= 223:
                heard.append(bytes(self.pipeline.decrypt(data).payload).decode())
        return heard


def _link(here, there) -> tuple:
    """Two legs that lead to each other, under a key of the link."""
    key = SrtpConfig.generate()
    near = here.add_leg(LegConfig(srtp=key), local="127.0.0.1:0")
    far = there.add_leg(LegConfig(srtp=key), local="127.0.0.1:0", remote=here.local_address(near))
    here.remove_leg(near)  # made anew where the far end is known, on the same port
    near = here.add_leg(LegConfig(srtp=key), local=there.remote_address(far), remote=there.local_address(far))
    return near, far


def test_a_room_spans_two_routers():
    with Engine(threads=2) as engine:
        nodes = {"ams": engine.router(SMALL, thread=0), "fra": engine.router(SMALL, thread=1)}
        applier = RoomApplier(nodes, seed=1)
        room = Room(network=RelayNetwork.tree([("ams", "fra")]))
        near, far = _link(nodes["ams"], nodes["fra"])
        applier.connect("ams", "fra", near, far)
        applier.connect("fra", "ams", far, near)
        people = {}
        for i, (name, node) in enumerate((("ann", "ams"), ("ben", "ams"), ("eva", "fra"), ("joe", "fra"))):
            people[name] = Person(nodes[node], name)
            applier.attach(name, people[name].leg)
            room.join(name, node=node)
            room.publish(name, "microphone", TrackConfig(kind="audio", codec="opus", ssrc=100 + i, payload_type=111,
                                                         clock_rate=48_000))
        applied = applier.apply(room.changes())
        assert applied.failures == ()
        for seq in range(5):
            people["ann"].speak(100, seq)
            people["eva"].speak(102, seq)
        ann, eva = ([f"{name} {seq}" for seq in range(5)] for name in ("ann", "eva"))
        assert sorted(people["ben"].hear(10)) == sorted(ann + eva)
        assert sorted(people["joe"].hear(10)) == sorted(ann + eva)
        assert people["ann"].hear(5) == eva
        assert people["eva"].hear(5) == ann
        received = [node.stats()["received_rtp"] for node in nodes.values()]
        assert received == [10, 10], "each packet once over the link"

        room.leave("ann")
        assert applier.apply(room.changes()).failures == ()
        people["eva"].speak(102, 5)
        assert people["ben"].hear(1) == ["eva 5"]
        assert {r.leg for r in nodes["ams"].routes if r.leg is people["ann"].leg} == set()
