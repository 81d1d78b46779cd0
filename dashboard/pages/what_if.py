"""What if: another number of partitions or members, another retention, more of everything. All of it in the address."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from dashboard.broker import broker
from dashboard.masking.rules import shield_of
from dashboard.presenters import capacity, commands
from dashboard.presenters import keys as key_words
from dashboard.presenters import what_if as presenter
from streamlab import key_sample, keys
from streamlab.advisor import flows
from streamlab.errors import StreamlabError
from streamlab.groups.load import HORIZON_S
from streamlab.metrics.past import Past
from streamlab.metrics.snapshot import GroupSnapshot, Snapshot, TopicSnapshot
from streamlab.metrics.telemetry import ClientTelemetry
from streamlab.model import TopicPartition
from streamlab.topics import MAX_PARTITIONS
from streamlab.what_if.capacity import Demand
from streamlab.what_if.measured import each_handles
from streamlab.what_if.members import MOST_MEMBERS, Load
from streamlab.what_if.retention import MEMORY_A_BYTE

from . import running, topic_details
from .database import fresh_connection
from .moments import Moment
from .page import Address, MenuEntry, Page

LOOK_BACK_MS = 35_000
UNITS_MS = {"s": 1_000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
HOUR_MS = 3_600_000
MOST_LOGS, LOG_SAMPLES = 64, 50
"""Logs whose memory is asked for, and nodes of each that the server looks at."""
HIDDEN = "hidden by masking rules"


def keep_ms(text: str) -> int | None:
    """
    >>> keep_ms("90s"), keep_ms("1.5 h"), keep_ms("7d"), keep_ms("3600000"), keep_ms("soon"), keep_ms("0s")
    (90000, 5400000, 604800000, 3600000, None, None)
    """
    found = re.fullmatch(r"\s*(\d{1,12}(?:\.\d{1,3})?)\s*(s|m|min|h|d|ms|)\s*", text)
    if found is None:
        return None
    ms = int(float(found[1]) * UNITS_MS.get(found[2], 1))
    return ms if 0 < ms < 10**14 else None


def _number(address: Address, name: str, otherwise: float, most: float) -> float:
    try:
        value = float(address.query.get(name, ""))
    except ValueError:
        return otherwise
    return value if 0 < value <= most else otherwise


def _whole(address: Address, name: str, otherwise: int, most: int) -> int:
    """Of partitions and members there are no halves, and at least one."""
    value = _number(address, name, otherwise, most)
    return int(value) if value >= 1 and value == int(value) else otherwise


@fresh_connection
def context(moment: Moment, address: Address) -> dict[str, Any]:
    snapshot = moment.snapshot
    topic, group = chosen(snapshot, address)
    choices = {
        "play_command": commands.PLAY_WITH_KEY,
        "topics": sorted(t.topic for t in snapshot.topics.values() if not t.internal),
        "groups": sorted(snapshot.groups),
        "topic": topic.topic if topic else "",
        "group": group.group if group else "",
    }
    if topic is None:
        asked = address.query.get("topic", "")
        return {**choices, "problem": f"There is no topic “{asked}” now." if asked else ""}
    try:
        return {**choices, **answers(moment, address, topic, group)}
    except StreamlabError as error:
        return {**choices, "problem": str(error)}


def chosen(snapshot: Snapshot, address: Address) -> tuple[TopicSnapshot | None, GroupSnapshot | None]:
    """The topic and the group that are asked about; what is left open is chosen by who reads what."""
    topic = snapshot.topics.get(address.query.get("topic", ""))
    group = snapshot.groups.get(address.query.get("group", ""))
    if topic is None and group is not None and not address.query.get("topic"):
        lags: dict[str, int] = {}
        for position in group.partitions:
            lags[position.topic] = lags.get(position.topic, 0) + (position.lag or 0)
        read = [name for name in lags if name in snapshot.topics]
        topic = snapshot.topics[max(read, key=lambda name: lags[name])] if read else None
    if group is None and topic is not None and not address.query.get("group"):
        readers = [snapshot.groups[name] for name in topic.groups if name in snapshot.groups]
        group = max(readers, key=lambda g: (bool(g.members), g.lag or 0), default=None)
    return topic, group


def answers(
    moment: Moment, address: Address, topic: TopicSnapshot, group: GroupSnapshot | None
) -> dict[str, Any]:
    past = Past(broker().connection).at(moment.as_of_ms - LOOK_BACK_MS)
    partitions = _whole(address, "partitions", 2 * len(topic.partitions), MAX_PARTITIONS)
    now_members = len(group.members) if group else 0
    wanted_members = _whole(address, "members", now_members + 1, MOST_MEMBERS)
    times = _number(address, "times", 10, 1_000_000)
    kept = retention_of(topic.topic)
    default_ms = 4 * kept.ms if kept.ms > 0 else 24 * HOUR_MS
    asked_ms = keep_ms(address.query.get("keep") or address.query.get("retention_ms", "")) or default_ms
    rate, bytes_in = _rates(topic, past, moment.as_of_ms)
    members = list(running.members_of(group.group).values()) if group else []
    sample = key_sample.sample(
        broker().connection, topic.topic, [p.log_end - p.log_start for p in topic.partitions]
    )
    memory = memory_a_byte(topic)
    shield = shield_of(topic.topic)
    server = moment.snapshot.server
    return {
        "asked": {
            "partitions": partitions,
            "members": wanted_members,
            "keep": _written(asked_ms),
            "times": f"{times:g}",
        },
        "partitions": presenter.of_partitions(
            sample, partitions, lambda key: key_words.as_text(key) if shield.key(key) == key else HIDDEN
        ),
        "partitions_now": len(topic.partitions),
        "members": presenter.of_members(
            _loads(group, past, moment), _each(group, members, past, moment), now_members, wanted_members
        )
        if group
        else None,
        "retention": presenter.of_retention(
            presenter.Flow(
                rate,
                bytes_in,
                topic.size_bytes,
                len(topic.partitions),
                kept.ms,
                kept.bytes,
                server.used_memory_bytes,
                server.max_memory_bytes,
                memory,
            ),
            asked_ms,
        ),
        "retention_now": _written(kept.ms) if kept.ms > 0 else "for ever",
        "capacity": capacity.of_capacity(_demand(topic, rate, bytes_in, times, kept, sample, members, memory), times)
        if rate > 0
        else None,
    }  # fmt: skip


class Retention(NamedTuple):
    ms: int  # -1: for ever
    bytes: int  # of a partition; -1: no limit


def retention_of(topic: str) -> Retention:
    """What holds for the topic."""
    texts = {s.name: s.value.partition(" ")[0] for s in topic_details.settings(topic)}
    ms, size = (texts.get(name, "-1") for name in ("retention.ms", "retention.bytes"))
    return Retention(int(ms) if ms.isdigit() else -1, int(size) if size.isdigit() else -1)


def memory_a_byte(topic: TopicSnapshot) -> float:
    """What a stored byte of this topic takes, as the server says; that of full batches where it says nothing."""
    kept = [p for p in topic.partitions if p.size_bytes and p.log_end > p.log_start][:MOST_LOGS]
    asked = [("MEMORY", "USAGE", keys.log(topic.topic, p.partition), "SAMPLES", LOG_SAMPLES) for p in kept]
    try:
        found = sum(int(reply or 0) for reply in broker().connection.execute_many(asked)) if asked else 0
    except StreamlabError:  # some servers let nobody ask
        found = 0
    stored = sum(p.size_bytes for p in kept)
    return found / stored if found >= stored > 0 else MEMORY_A_BYTE


def _written(ms: int) -> str:
    """As it is asked for in the form.

    >>> _written(90_000), _written(5_400_000), _written(86_400_000), _written(1_500)
    ('90s', '90m', '1d', '1500ms')
    """
    for unit, size_ms in (("d", 86_400_000), ("h", HOUR_MS), ("m", 60_000), ("s", 1_000)):
        if ms >= size_ms and ms % size_ms == 0 and (ms // size_ms > 1 or unit == "d"):
            return f"{ms // size_ms}{unit}"
    return f"{ms}ms" if ms % 1000 else f"{ms // 1000}s"


def _rates(topic: TopicSnapshot, past: Snapshot | None, now_ms: int) -> tuple[float, float]:
    """Records and bytes a second over the last half minute, from counters; of the last second where no past is kept."""
    before = past.topics.get(topic.topic) if past else None
    if before is None or past is None or now_ms <= past.as_of_ms:
        return topic.rate or 0.0, topic.byte_rate or 0.0
    took_s = (now_ms - past.as_of_ms) / 1000
    ends = [sum(p.log_end for p in t.partitions) for t in (before, topic)]
    rate = max(0, ends[1] - ends[0]) / took_s
    each = topic.size_bytes / topic.records if topic.records else 0.0
    return rate, rate * each


def _loads(group: GroupSnapshot | None, past: Snapshot | None, moment: Moment) -> list[Load]:
    """All partitions of the group, whatever their topic: its members read them together."""
    if group is None:
        return []
    before = past.groups.get(group.group) if past else None
    then = {(p.topic, p.partition): p.log_end for p in before.partitions} if before else {}
    took_s = (moment.as_of_ms - past.as_of_ms) / 1000 if past else HORIZON_S
    return [
        Load(
            TopicPartition(p.topic, p.partition),
            max(0, p.log_end - then.get((p.topic, p.partition), p.log_end)) / took_s,
            p.lag or 0,
        )
        for p in group.partitions
    ]


def _each(
    group: GroupSnapshot | None, members: list[ClientTelemetry], past: Snapshot | None, moment: Moment
) -> Any:
    flow = flows.of_group([past] if past else [], moment.snapshot, group.group) if group else None
    out = flow.out_rate if flow else (group.consumed_rate or 0.0) if group else 0.0
    working = sum(bool(m.owned) for m in group.members) if group else 0
    grows = flow is not None and flow.slope > 0.05 * flow.in_rate and flow.lag > 5 * flow.in_rate
    return each_handles(out, working, members, grows)


def _demand(
    topic: TopicSnapshot,
    rate: float,
    bytes_in: float,
    times: float,
    kept: Retention,
    sample: key_sample.KeySample,
    members: list[ClientTelemetry],
    memory: float,
) -> Demand:
    handlers = [
        ms
        for client in members
        if (ms := client.metrics.get("worker-metrics", {}).get("handler-latency-p50-ms"))
    ]
    kept_s = max(0, kept.ms) / 1000
    if kept.bytes > 0:  # of the two, what removes records first
        full_s = kept.bytes * len(topic.partitions) / (times * bytes_in) if bytes_in else kept_s
        kept_s = min(kept_s, full_s) if kept.ms > 0 else full_s
    return Demand(
        rate=times * rate,
        record_bytes=bytes_in / rate,
        records_a_batch=sample.records / sample.entries if sample.entries else 1.0,
        groups=max(1, len(topic.groups)),
        retention_s=kept_s,
        handler_ms=sum(handlers) / len(handlers) if handlers else None,
        memory_a_byte=memory,
    )


PAGE = Page(
    name="what-if",
    pattern="what-if/",
    title=lambda address: "What if",
    parts=(),
    context=context,
    live=lambda address: False,
    measured=False,
    menu=MenuEntry("What if", "Lab", "w", "what-if"),
)
