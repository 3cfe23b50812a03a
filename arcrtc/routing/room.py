"""A room: who takes part, what they publish, and who gets what of it."""
from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from arcrtc._ranges import check_int
from arcrtc.errors import ArgumentError, LimitError
from arcrtc.routing.actions import Action, Layers, TrackKey
from arcrtc.routing.config import RouteConfig, TrackConfig
from arcrtc.routing.plan import Plan, PlannedTrack, RouteState
from arcrtc.routing.relays import RelayNetwork
from arcrtc.routing.rules import SubscriptionRule
from arcrtc.routing.wishes import Participant
from arcrtc.streams import MediaType

#: Of one turn: who sends such kinds, the last speaker first.
Rankings: TypeAlias = dict[frozenset[MediaType], list[Participant]]


@dataclass(frozen=True, slots=True)
class RoomStats:
    """What is in a room now.

    :ivar participants: with viewers.
    :ivar viewers: who publish nothing.
    :ivar tracks: published.
    :ivar routes: of a track to a participant, paused ones too.
    :ivar paused: of them.
    """

    participants: int
    viewers: int
    tracks: int
    routes: int
    paused: int


class Room:
    """Participants and tracks in; :meth:`changes` out, for a router to carry out.

    What a change costs depends on how many routes it touches: someone joins a room of n in O(n).

    :param rule: what participants get unless they are given a rule of their own.
    :param network: the nodes that the room may be on; None: all participants are on one node.
    :param max_participants: 1..1000000.
    :param max_tracks: of one participant, 1..1000.
    :raises ConfigError: out of range.
    """

    def __init__(self, rule: SubscriptionRule | None = None, *, network: RelayNetwork | None = None,
                 max_participants: int = 10_000, max_tracks: int = 16) -> None:
        check_int("max_participants", max_participants, 1, 1_000_000)
        check_int("max_tracks", max_tracks, 1, 1000)
        self.rule = rule or SubscriptionRule.everything()
        self._max_participants, self._max_tracks = max_participants, max_tracks
        self._plan = Plan(network)
        self._participants: dict[Hashable, Participant] = {}
        self._speakers: list[Participant] = []  # who spoke last comes first; who never did, in the order they came
        self._viewers = 0

    # Who is there

    def join(self, participant: Hashable, *, node: Hashable = None, rule: SubscriptionRule | None = None,
             viewer: bool = False, routes: Mapping[MediaType, RouteConfig] | None = None) -> None:
        """Someone comes in.

        :param node: where its leg is; a node of the network if the room has one.
        :param rule: None: the room's.
        :param viewer: it only receives.
        :param routes: what each kind of route to it is like, as its payload types; None: as published.
        :raises ArgumentError: it is there already, or its node is not the room's or cannot be reached.
        :raises LimitError: ``max_participants`` are there.
        """
        if participant in self._participants:
            raise ArgumentError(f"participant {participant!r} is in the room already")
        if len(self._participants) >= self._max_participants:
            raise LimitError(f"join: there are {self._max_participants} participants, the limit")
        self._check_node(node)
        configs = routes or {}
        new = Participant(participant, node, rule or self.rule, viewer,
                           {kind: RouteState(configs.get(kind)) for kind in MediaType},
                           {kind: RouteState(configs.get(kind), True) for kind in MediaType})
        self._participants[participant] = new
        self._plan.place(participant, node)
        if viewer:
            self._viewers += 1
        else:
            self._speakers.append(new)
        self._route_all(new)

    def leave(self, participant: Hashable) -> None:
        """Someone goes, with its tracks.

        :raises ArgumentError: it is not there.
        """
        gone = self._find(participant)
        for name in list(gone.tracks):
            self._remove_track(gone, name)
        for track in self._plan.tracks.values():
            self._plan.set_route(track, participant, None)
        for other in self._participants.values():
            other.pinned.pop(participant, None)
        del self._participants[participant]
        self._plan.unplace(participant)
        if gone.viewer:
            self._viewers -= 1
        else:
            self._speakers.remove(gone)
            self._rank_without(gone)

    def move(self, participant: Hashable, node: Hashable) -> None:
        """Someone's leg is another one now, be it on another node or on the same. Wishes stay.

        :raises ArgumentError: it is not there, or the node is not the room's or cannot be reached.
        """
        mover = self._find(participant)
        self._check_node(node, without=mover)
        configs = {name: track.config for name, track in mover.tracks.items()}
        for key in [track.key for track in mover.tracks.values()]:
            self._plan.remove_track(key)
        for track in self._plan.tracks.values():
            self._plan.set_route(track, participant, None)
        mover.node = node
        self._plan.place(participant, node)
        for name, config in configs.items():
            mover.tracks[name] = self._plan.add_track(TrackKey(participant, name), config)
        self._route_all(mover)
        for track in mover.tracks.values():
            self._route_to_all(track)

    def set_rule(self, participant: Hashable, rule: SubscriptionRule | None) -> None:
        """Give a participant another rule; None: the room's.

        :raises ArgumentError: it is not there.
        """
        found = self._find(participant)
        found.rule = rule or self.rule
        self._route_all(found)

    # What they send

    def publish(self, participant: Hashable, name: str, config: TrackConfig) -> TrackKey:
        """A participant sends a track.

        :param name: of the track among the participant's.
        :raises ArgumentError: the participant is not there or a viewer, or it has such a track.
        :raises LimitError: it has ``max_tracks``.
        """
        found, key = self._find(participant), TrackKey(participant, name)
        if found.viewer:
            raise ArgumentError(f"participant {participant!r} is a viewer and publishes nothing")
        if name in found.tracks:
            raise ArgumentError(f"participant {participant!r} has a track {name!r} already")
        if len(found.tracks) >= self._max_tracks:
            raise LimitError(f"publish: participant {participant!r} has {self._max_tracks} tracks, the limit")
        first = not found.sends(frozenset({config.kind}))
        track = found.tracks[name] = self._plan.add_track(key, config)
        self._route_to_all(track)
        if first:
            self._rank_with(found)
        return key

    def unpublish(self, participant: Hashable, name: str) -> None:
        """It sends it no longer.

        :raises ArgumentError: there is no such participant or track.
        """
        found = self._find(participant)
        self._track(TrackKey(participant, name))
        kind = found.tracks[name].config.kind
        self._remove_track(found, name)
        if not found.sends(frozenset({kind})):
            self._rank_without(found)

    def spoke(self, participant: Hashable) -> None:
        """A participant is the one who speaks now: it comes first for ``last_n``.

        :raises ArgumentError: it is not there, or a viewer.
        """
        found = self._find(participant)
        if found.viewer:
            raise ArgumentError(f"participant {participant!r} is a viewer and does not speak")
        place = self._speakers.index(found)
        del self._speakers[place]
        self._speakers.insert(0, found)
        self._rank_as_first(place)

    # What they get

    def subscribe(self, subscriber: Hashable, track: TrackKey, *, config: RouteConfig | None = None) -> None:
        """A participant wants a track, whatever its rule says.

        :param config: how it is to reach it; None: as the participant's others.
        :raises ArgumentError: there is no such participant or track, or the track is its own.
        """
        found, planned = self._wish(subscriber, track)
        if track.participant == subscriber:
            raise ArgumentError(f"participant {subscriber!r} cannot subscribe to its own track {track.name!r}")
        found.asked[track] = True
        if config is None:
            found.configs.pop(track, None)
        else:
            found.configs[track] = config
        self._route(found, planned)

    def unsubscribe(self, subscriber: Hashable, track: TrackKey) -> None:
        """It does not want it, whatever its rule says. Errors as :meth:`subscribe`."""
        found, planned = self._wish(subscriber, track)
        found.asked[track] = False
        self._route(found, planned)

    def by_rule(self, subscriber: Hashable, track: TrackKey) -> None:
        """Its rule decides again. Errors as :meth:`subscribe`."""
        found, planned = self._wish(subscriber, track)
        found.asked.pop(track, None)
        found.configs.pop(track, None)
        self._route(found, planned)

    def pin(self, subscriber: Hashable, publisher: Hashable) -> None:
        """Show a participant always: it takes one of the ``last_n`` places, and gets one if there is none. With a
        rule of no kinds, all that it sends.

        :raises ArgumentError: one of them is not there, or they are the same.
        """
        found = self._find(subscriber)
        self._find(publisher)
        if subscriber == publisher:
            raise ArgumentError(f"participant {subscriber!r} cannot pin itself")
        found.pinned[publisher] = None
        self._rank(found, {})
        self._route_from(publisher, found)

    def unpin(self, subscriber: Hashable, publisher: Hashable) -> None:
        """Show it by the rule again; one that is not pinned is left as it is.

        :raises ArgumentError: the subscriber is not there.
        """
        found = self._find(subscriber)
        found.pinned.pop(publisher, None)
        self._rank(found, {})
        self._route_from(publisher, found)

    def pause(self, subscriber: Hashable, track: TrackKey | None = None) -> None:
        """Forward nothing of a track, or of any, to a participant until :meth:`resume`; routes stay.

        :raises ArgumentError: there is no such participant or track.
        """
        self._set_paused(subscriber, track, True)

    def resume(self, subscriber: Hashable, track: TrackKey | None = None) -> None:
        """End a pause of the same kind: of one track, or of all. Errors as :meth:`pause`."""
        self._set_paused(subscriber, track, False)

    def set_layers(self, subscriber: Hashable, track: TrackKey, layers: Layers | None) -> None:
        """What of a track a participant gets at most; None: the highest. Errors as :meth:`subscribe`."""
        found, planned = self._wish(subscriber, track)
        if layers is None:
            found.layers.pop(track, None)
        else:
            found.layers[track] = layers
        self._route(found, planned)

    # What follows from it

    def changes(self) -> list[Action]:
        """What is to be done since the last call, in order; once done, the routers are as the room is.

        :raises ArgumentError: the network has no way between two of the room's nodes any more; nothing is
            taken then.
        """
        return self._plan.changes()

    def undo(self, actions: Iterable[Action]) -> None:
        """These actions failed: they come again with the next changes, as far as they are wanted then."""
        self._plan.undo(actions)

    def network_changed(self) -> None:
        """Nodes or links of the network are others now: relays are looked at anew."""
        self._plan.check_relays()

    def receives(self, subscriber: Hashable) -> dict[TrackKey, RouteState]:
        """What a participant gets, paused or not; O(tracks).

        :raises ArgumentError: it is not there.
        """
        self._find(subscriber)
        return {key: track.routes[subscriber] for key, track in self._plan.tracks.items()
                if subscriber in track.routes}

    def tracks(self) -> dict[TrackKey, TrackConfig]:
        """What is published."""
        return {key: track.config for key, track in self._plan.tracks.items()}

    def places(self) -> dict[Hashable, Hashable]:
        """The node of each participant."""
        return {participant.id: participant.node for participant in self._participants.values()}

    def stats(self) -> RoomStats:
        """How much there is; O(routes)."""
        states = [state for track in self._plan.tracks.values() for state in track.routes.values()]
        return RoomStats(len(self._participants), self._viewers, len(self._plan.tracks), len(states),
                         sum(state.paused for state in states))

    def __len__(self) -> int:
        return len(self._participants)

    def __contains__(self, participant: object) -> bool:
        return participant in self._participants

    def __iter__(self) -> Iterator[Hashable]:
        return iter(self._participants)

    # Inside

    def _find(self, participant: Hashable) -> Participant:
        found = self._participants.get(participant)
        if found is None:
            raise ArgumentError(f"participant {participant!r} is not in the room")
        return found

    def _track(self, key: TrackKey) -> PlannedTrack:
        found = self._plan.tracks.get(key)
        if found is None:
            raise ArgumentError(f"there is no track {key!r} in the room")
        return found

    def _wish(self, subscriber: Hashable, key: TrackKey) -> tuple[Participant, PlannedTrack]:
        return self._find(subscriber), self._track(key)

    def _check_node(self, node: Hashable, without: Participant | None = None) -> None:
        network = self._plan.network
        other = next((p for p in self._participants.values() if p is not without), None)
        if network is None:
            if other is not None and other.node != node:
                raise ArgumentError(f"the room is on node {other.node!r}; to be on {node!r} too, it needs a network")
        elif node not in network:
            raise ArgumentError(f"node {node!r} is not in the room's network")
        elif other is not None and not network.is_connected(other.node, node):
            raise ArgumentError(f"there is no way from node {other.node!r} to node {node!r}")

    def _remove_track(self, participant: Participant, name: str) -> None:
        key = participant.tracks.pop(name).key
        self._plan.remove_track(key)
        for other in self._participants.values():
            other.forget(key)

    def _set_paused(self, subscriber: Hashable, track: TrackKey | None, paused: bool) -> None:
        found = self._find(subscriber)
        if track is None:
            found.all_paused = paused
            self._route_all(found)
            return
        planned = self._track(track)
        if paused:
            found.paused[track] = None
        else:
            found.paused.pop(track, None)
        self._route(found, planned)

    # From wishes and rules to routes

    def _route_all(self, subscriber: Participant) -> None:
        self._see(subscriber, {})
        for track in self._plan.tracks.values():
            self._route(subscriber, track)

    def _route_to_all(self, track: PlannedTrack) -> None:
        for subscriber in self._participants.values():
            self._route(subscriber, track)

    def _route(self, subscriber: Participant, track: PlannedTrack) -> None:
        self._plan.set_route(track, subscriber.id, subscriber.state_of(track))

    def _route_from(self, publisher: Hashable, subscriber: Participant) -> None:
        found = self._participants.get(publisher)
        for track in found.tracks.values() if found is not None else ():
            self._route(subscriber, track)

    # Last-N

    def _rank_as_first(self, place: int) -> None:
        """Someone is the first of the speakers now, from ``place`` on: who sees others by that?"""
        rankings: Rankings = {}
        for subscriber in self._participants.values():
            last_n = subscriber.rule.last_n
            # Who was among the first N is seen by everyone already, unless pinned ones take places.
            if last_n is not None and (place >= last_n or subscriber.pinned):
                self._rank(subscriber, rankings)

    def _rank_with(self, sender: Participant) -> None:
        """Someone sends a new kind: who sees it?"""
        rankings: Rankings = {}
        places: dict[frozenset[MediaType], int] = {}
        for subscriber in self._participants.values():
            rule = subscriber.rule
            if rule.last_n is None:
                continue
            kinds = rule.kinds & rule.ranked
            if kinds not in places:
                ranking = self._ranking(kinds, rankings)
                places[kinds] = ranking.index(sender) if sender in ranking else len(ranking)
            # One more than there are places, since the subscriber itself may be among those before.
            if places[kinds] <= rule.last_n + rule.spare or sender.id in subscriber.pinned:
                self._rank(subscriber, rankings)

    def _rank_without(self, sender: Participant) -> None:
        """Someone is gone, or sends a kind no longer: who saw it?"""
        rankings: Rankings = {}
        for subscriber in self._participants.values():
            if sender.id in subscriber.seen:
                self._rank(subscriber, rankings)

    def _rank(self, subscriber: Participant, rankings: Rankings) -> None:
        """Work out anew whom a subscriber sees, and route what differs."""
        before = subscriber.seen
        after = self._see(subscriber, rankings)
        for publisher in {**before, **after}:
            if before.get(publisher) is not after.get(publisher):
                self._route_from(publisher, subscriber)

    def _see(self, subscriber: Participant, rankings: Rankings) -> dict[Hashable, bool]:
        """Work out whom a subscriber sees by ``last_n``."""
        kinds = subscriber.rule.kinds & subscriber.rule.ranked
        if subscriber.rule.last_n is None:
            subscriber.seen = {}
        else:
            pinned = [one for one in subscriber.pinned if self._participants[one].sends(kinds)]
            subscriber.seen = subscriber.rank(pinned, self._ranking(kinds, rankings))
        return subscriber.seen

    def _ranking(self, kinds: frozenset[MediaType], rankings: Rankings) -> list[Participant]:
        """Who sends such a kind, the last speaker first; kept for the next subscriber."""
        if kinds not in rankings:
            rankings[kinds] = [speaker for speaker in self._speakers if speaker.sends(kinds)]
        return rankings[kinds]
