"""What a rule can look for. A condition reads the world and says of each subject what it sees; it judges nothing.

group-status   the word that every page says of a group is one of those chosen
group-lag      unread records of a group
group-time-lag age of a group's oldest unread record
unowned        partitions that hold records nobody of the group reads
members        members of a group
dead-letters   records that died lately, by group and topic
retrying       records that wait to be tried again, by group
topic-quiet    records a second that arrive on a topic, too few
topic-busy     records a second that arrive on a topic, too many
memory         share of the server's memory limit
refusals       settings that a running client refuses
part           a part of this installation: data, sampler, worker, projector …
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlencode

from django.urls import NoReverseMatch, reverse

from dashboard.presenters import groups as group_words
from dashboard.presenters.figures import count, duration, percent, rate, size
from dashboard.presenters.trend import UNKNOWN, Trend
from dashboard.presenters.words import listed, plural
from streamlab.metrics.snapshot import GroupSnapshot, TopicSnapshot

from .judge import Seen
from .models import Rule
from .world import World, matches, names_internal

GROUP_WORDS = ("stopped", "lost records", "paused", "late", "falling behind", "catching up", "rebalancing",
               "purged unread", "nothing committed yet", "idle", "ok")  # fmt: skip
"""What `presenters.groups.status` can say, the worst first."""
PART_WORDS = ("down",)


class Side(StrEnum):
    """Which side of the threshold is the bad one."""

    ABOVE = "above"
    BELOW = "below"
    WORDS = "words"  # there is no threshold: certain words are bad


@dataclass(frozen=True)
class Reading:
    """One subject, as it is."""

    subject: str  # "group revenue": names it for good
    says: str  # one sentence, with the value in words
    value: float | None = None  # in the condition's unit; None: not known, unless it is about words
    word: str = ""
    href: str = ""


Readings = Callable[[World, Rule], Iterator[Reading] | None]
"""None: nothing can be seen now."""


@dataclass(frozen=True)
class Condition:
    name: str  # in addresses and in the database
    title: str  # "Lag of a group"
    about: str  # one sentence
    scope: str  # what names its scope matches: "Groups"; "" when it has no scope
    side: Side
    read: Readings
    unit: str = ""  # of threshold and value
    threshold: float | None = None  # proposed
    clear_at: float | None = None  # proposed
    words: tuple[str, ...] = ()  # that can be chosen
    chosen: tuple[str, ...] = ()  # proposed
    for_s: int = 10  # proposed
    windowed: bool = False  # counts what happened within a window
    past: tuple[str, str] | None = None  # what history keeps of it: kind and field
    scale: float = 1.0  # what history keeps × scale is in the unit
    gone: str = "is gone"  # what is said of a subject that is not there any more


def seen(rule: Rule, condition: Condition, reading: Reading) -> Seen:
    """On which side of the rule's limits it is."""
    if condition.side is Side.WORDS:
        return Seen.BEYOND if reading.word in rule.statuses else Seen.CALM
    return of_value(rule, condition.side, reading.value)


def of_value(rule: Rule, side: Side, value: float | None) -> Seen:
    """
    >>> rule = Rule(threshold=100, clear_at=80)
    >>> [of_value(rule, Side.ABOVE, v).value for v in (101, 100, 80, None)]
    ['beyond', 'between', 'calm', 'unknown']
    >>> [of_value(Rule(threshold=5), Side.BELOW, v).value for v in (4.9, 5)]
    ['beyond', 'calm']
    """
    if value is None or rule.threshold is None:
        return Seen.UNKNOWN
    sign = 1 if side is Side.ABOVE else -1
    limit = rule.threshold if rule.clear_at is None else rule.clear_at
    if sign * value > sign * rule.threshold:
        return Seen.BEYOND
    return Seen.CALM if sign * value <= sign * limit else Seen.BETWEEN


# -- groups ------------------------------------------------------------------------------------------------------


def _groups(world: World, rule: Rule) -> list[GroupSnapshot] | None:
    if world.snapshot is None:
        return None
    return [group for group in world.snapshot.groups.values() if matches(rule.scope, group.group)]


def _of_groups(read: Callable[[GroupSnapshot], Reading]) -> Readings:
    def readings(world: World, rule: Rule) -> Iterator[Reading] | None:
        found = _groups(world, rule)
        return None if found is None else (read(group) for group in found)

    return readings


def _group(group: GroupSnapshot, says: str, value: float | None = None, word: str = "") -> Reading:
    return Reading(f"group {group.group}", says, value, word, _page("group", group.group))


def _page(name: str, thing: str) -> str:
    """Its address; "" for a name that no address can hold (a line break)."""
    try:
        return reverse(name, args=[thing])
    except NoReverseMatch:
        return ""


def _search(name: str, **query: str) -> str:
    return f"{reverse(name)}?{urlencode(query)}"


def _statuses(world: World, rule: Rule) -> Iterator[Reading] | None:
    """Without the trends of their lags late groups would look as if they were not."""
    found, trends = _groups(world, rule), world.trends
    if found is None or trends is None:
        return None
    return (_status(group, trends.get(group.group, UNKNOWN)) for group in found)


def _status(group: GroupSnapshot, heading: Trend) -> Reading:
    status = group_words.status(group, heading)
    why = f": {status.why}" if status.why else ""
    return _group(group, f"Group {group.group} is {_is(status.word)}{why}", word=status.word)


def _is(word: str) -> str:
    return _ADJECTIVES.get(word, word)


_ADJECTIVES = {
    "lost records": "losing records",
    "purged unread": "without records that were purged",
    "nothing committed yet": "without a commit",
}


def _lag(group: GroupSnapshot) -> Reading:
    return _group(group, f"The lag of group {group.group} is {count(group.lag).exact}", group.lag)


def _time_lag(group: GroupSnapshot) -> Reading:
    ms = group.time_lag_ms
    says = f"The oldest unread record of group {group.group} has waited {duration(ms).plain}"
    if ms == 0:
        says = f"Group {group.group} has read everything"
    return _group(group, says, None if ms is None else ms / 1000)


def _unowned(group: GroupSnapshot) -> Reading:
    orphans = [f"{p.topic}/{p.partition}" for p in group_words.unread(group)] if group.members else []
    which = f": {listed(orphans)}" if orphans else ""
    says = (
        f"{plural(len(orphans), 'partition')} of group {group.group} {'is' if len(orphans) == 1 else 'are'} "
    )
    return _group(group, f"{says}read by nobody{which}", len(orphans))


def _members(group: GroupSnapshot) -> Reading:
    return _group(
        group, f"Group {group.group} has {plural(len(group.members), 'member')}", len(group.members)
    )


def _retrying(world: World, rule: Rule) -> Iterator[Reading] | None:
    if world.retrying is None:
        return None
    return (
        Reading(
            f"group {name}",
            f"{plural(n, 'record')} of group {name} {'waits' if n == 1 else 'wait'} to be tried again",
            n,
            href=_search("retries", group=name),
        )
        for name, n in world.retrying.items()
        if matches(rule.scope, name)
    )


def _dead_letters(world: World, rule: Rule) -> Iterator[Reading] | None:
    if world.deaths is None or rule.window_s not in world.deaths:
        return None
    within = duration(rule.window_s * 1000).plain
    return (
        Reading(
            f"group {group} on {topic}",
            f"{plural(n, 'record')} of {topic} died in group {group} within {within}",
            n,
            href=_search("dead-letters", group=group, topic=topic),
        )
        for (group, topic), n in world.deaths[rule.window_s].items()
        if matches(rule.scope, group)
    )


# -- topics ------------------------------------------------------------------------------------------------------


def _topic_rates(world: World, rule: Rule) -> Iterator[Reading] | None:
    if world.snapshot is None:
        return None
    return (
        Reading(
            f"topic {topic.topic}",
            f"{rate(topic.rate).plain} arrive on topic {topic.topic}",
            topic.rate,
            href=_page("topic", topic.topic),
        )
        for topic in world.snapshot.topics.values()
        if _wanted(topic, rule)
    )


def _wanted(topic: TopicSnapshot, rule: Rule) -> bool:
    return matches(rule.scope, topic.topic) and (not topic.internal or names_internal(rule.scope))


# -- the installation --------------------------------------------------------------------------------------------


def _memory(world: World, rule: Rule) -> Iterator[Reading] | None:
    if world.snapshot is None:
        return None
    server = world.snapshot.server
    if not server.max_memory_bytes:
        return iter(())  # without a limit there is no share of it
    share = server.used_memory_bytes / server.max_memory_bytes
    of = f"{size(server.used_memory_bytes).plain} of {size(server.max_memory_bytes).plain}"
    return iter(
        [Reading("the server", f"Redis memory is {percent(share).plain} full: {of}", 100 * share, href="/")]
    )


def _refusals(world: World, rule: Rule) -> Iterator[Reading] | None:
    if world.refusals is None:
        return None
    return (
        Reading(
            f"client {client}",
            f"Client {client} refuses {listed(list(why))}: {'; '.join(why.values())}",
            len(why),
            href=_search("clients", q=client),
        )
        for client, why in world.refusals.items()
        if matches(rule.scope, client)
    )


def _parts(world: World, rule: Rule) -> Iterator[Reading] | None:
    if world.parts is None:
        return None
    return (
        Reading(
            f"part {name}",
            f"The {name} is up" if up else f"The {name} is not there: {word}",
            word="up" if up else "down",
            href="/healthz",
        )
        for name, (up, word) in world.parts.items()
        if matches(rule.scope, name)
    )


ALL = (
    Condition("group-status", "Status of a group", "A group is stopped, late, losing records: the word that its "
              "page says.", "Groups", Side.WORDS, _statuses, words=GROUP_WORDS,
              chosen=("stopped", "lost records", "late")),
    Condition("group-lag", "Lag of a group", "More records wait to be read than this.", "Groups", Side.ABOVE,
              _of_groups(_lag), "records", 10_000, 8_000, for_s=30, past=("group", "lag")),
    Condition("group-time-lag", "Time lag of a group", "The oldest unread record has waited longer than this.",
              "Groups", Side.ABOVE, _of_groups(_time_lag), "s", 300, 240, past=("group", "time_lag_ms"), scale=0.001),
    Condition("unowned", "Partitions that nobody reads", "A group has members, and partitions with records belong "
              "to none of them.", "Groups", Side.ABOVE, _of_groups(_unowned), "partitions", 0, for_s=60),
    Condition("members", "Members of a group", "A group has fewer members than this.", "Groups", Side.BELOW,
              _of_groups(_members), "members", 1, for_s=60),
    Condition("dead-letters", "Dead letters", "More records than this died lately.", "Groups", Side.ABOVE,
              _dead_letters, "dead letters", 0, for_s=0, windowed=True, gone="has had no dead letter lately"),
    Condition("retrying", "Retries that wait", "More records than this wait to be tried again.", "Groups",
              Side.ABOVE, _retrying, "records", 1_000, 500, for_s=60, gone="has nothing to try again"),
    Condition("topic-quiet", "Too little arrives on a topic", "Fewer records a second arrive than this.", "Topics",
              Side.BELOW, _topic_rates, "records/s", 1, for_s=300, past=("topic", "rate")),
    Condition("topic-busy", "Too much arrives on a topic", "More records a second arrive than this.", "Topics",
              Side.ABOVE, _topic_rates, "records/s", 10_000, 8_000, for_s=60, past=("topic", "rate")),
    Condition("memory", "Memory of the server", "The server is fuller than this share of its limit.", "",
              Side.ABOVE, _memory, "%", 90, 80, for_s=30, gone="has no memory limit"),
    Condition("refusals", "A client refuses a setting", "A running client does not take a stored setting.",
              "Client ids", Side.ABOVE, _refusals, "settings", 0, gone="refuses nothing"),
    Condition("part", "A part of Streamlab is gone", "Data, control, database, sampler, worker or projector do not "
              "answer.", "Parts", Side.WORDS, _parts, words=PART_WORDS, chosen=PART_WORDS, for_s=15),
)  # fmt: skip

CONDITIONS = {condition.name: condition for condition in ALL}


def described(rule: Rule) -> str:
    """What a rule looks for, in one line.

    >>> described(Rule(condition="group-time-lag", threshold=300, for_s=60, scope="revenue"))
    'oldest unread record of group revenue above 5 min, for 1 min'
    """
    condition = CONDITIONS[rule.condition]
    of = "" if not condition.scope else _scope_words(condition, rule.scope)
    held = f", for {_spelled(rule.for_s)}" if rule.for_s else ""
    within = f" within {_spelled(rule.window_s)}" if condition.windowed else ""
    noun = _NOUNS.get(rule.condition, condition.title.lower())
    if condition.side is Side.WORDS:
        return f"{noun}{of} is {' or '.join(rule.statuses)}{held}"
    return f"{noun}{of} {condition.side} {limit_words(condition, rule.threshold)}{within}{held}"


_NOUNS = {
    "group-status": "status",
    "group-lag": "lag",
    "group-time-lag": "oldest unread record",
    "unowned": "unread partitions",
    "members": "members",
    "topic-quiet": "rate",
    "topic-busy": "rate",
    "memory": "memory of the server",
    "refusals": "refused settings",
    "part": "part",
}


def _scope_words(condition: Condition, scope: str) -> str:
    one = {"Groups": "group", "Topics": "topic", "Client ids": "client"}.get(condition.scope, "")
    if scope.strip() in ("", "*"):
        return f" of any {one}" if one else ""
    return f" of {one} {scope}" if one else f" {scope}"


def limit_words(condition: Condition, value: float | None) -> str:
    """A threshold with its unit."""
    if value is None:
        return ""
    if condition.unit == "s":
        return _spelled(value)
    return f"{value:,.10g}{'' if condition.unit == '%' else ' '}{condition.unit}"


def _spelled(seconds: float) -> str:
    text = duration(seconds * 1000).plain
    return text.removesuffix(" 0 s").removesuffix(" 0 min")
