"""Records that fail: dead letters that come in, or retries; and whether somebody changed something right before."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from .. import flows, words
from ..finding import Experiment, Finding, Lever, Number, Urgency
from ..limits import Limit
from ..onset import SUSPECT_MS, Failed, began_after
from ..world import Happened, Standing, World
from . import attempts

NAME = "dead-letters"
RETRIES = "retries"
AFTER = "failing-after-change"
DEAD = Limit("dead letters", 3, 0, "letters", "of a topic and group in the last minute")
FAILING = Limit("failing", 0.05, 0.02, "share", "of a worker's attempts that fail")
LIMITS = (DEAD, FAILING)
MINUTE_MS = 60_000


def find(world: World, standing: Standing, explained: Collection[str]) -> Iterator[Finding]:
    """`explained`: groups whose failures another rule has explained; their dead letters are told all the same."""
    dying = {}
    for letters, (topic, group) in world.dead_letters.items():
        stands = any(standing(rule, _subject(topic, group)) for rule in (NAME, AFTER))
        counted = flows.appended(world.past, world.snapshot, letters)
        if counted is None or not DEAD.beyond(counted[0], stands):
            continue
        if stands or not _undecided(world, topic, group):
            dying[topic, group] = counted
    for (topic, group), (dead, over_s) in dying.items():
        yield _finding(world, topic, group, dead, over_s)
    for group in world.snapshot.groups:
        if group in explained or group in {g for _, g in dying}:
            continue
        tried = attempts.of_group(world, group)
        stands = any(standing(rule, f"group:{group}") for rule in (RETRIES, AFTER))
        if tried is not None and FAILING.beyond(tried.failing, stands):
            yield _retries(world, group, tried)


def _subject(topic: str, group: str) -> str:
    return f"group:{group} on {topic}"


def _undecided(world: World, topic: str, group: str) -> bool:
    """Whether a change may be to blame and the history, seconds behind, does not show yet that records die."""
    deaths = world.deaths.get((topic, group), ())
    lately = [s.failed for s in deaths if s.until_ms > world.now_ms - MINUTE_MS]
    suspected = any(c.at_ms > world.now_ms - SUSPECT_MS for c in _near(world, [topic], group))
    return suspected and bool(deaths) and sum(lately) < DEAD.enter


def suspects(world: World, topics: Sequence[str], group: str, failed: Sequence[Failed]) -> list[Happened]:
    """Changes of the last minutes that can have to do with it and after which far more failed, newest first."""
    return [change for change in _near(world, topics, group) if began_after(change.at_ms, failed)]


def _near(world: World, topics: Sequence[str], group: str) -> list[Happened]:
    """Changes that can have to do with what fails there."""
    members = {c.client_id for c in world.members(group).values()}
    near = {
        "broker",
        f"group:{group}",
        *(f"topic:{topic}" for topic in topics),
        *(f"client:{client}" for client in members),
        *(f"schema:{topic}-{part}" for topic in topics for part in ("key", "value")),
    }
    return [change for change in world.changes if change.entity in near]


def _finding(world: World, topic: str, group: str, dead: int, over_s: float) -> Finding:
    changes = suspects(world, [topic], group, world.deaths.get((topic, group), ()))
    letters = world.letters.get((topic, group))
    tried = attempts.of_group(world, group)
    reason = letters.reasons[0] if letters and letters.reasons else None
    what = (
        f"{words.many(reason[1], 'letter')} of the newest {letters.looked_at} died of {reason[0]}."
        if letters and reason
        else "Their reasons could not be read."
    )
    return Finding(
        rule=AFTER if changes else NAME,
        subject=_subject(topic, group),
        group=group,
        topic=topic,
        weight=dead / over_s,
        title=f"Records of {topic} die in {group}",
        symptom=f"{words.many(dead, 'dead letter')} in {words.time(over_s * 1000)}. {what}",
        cause=_after(changes[0], world.now_ms)
        if changes
        else "The handler cannot do with these records, whatever is tried: poison, or a fault in the handler.",
        judged=f"{DEAD.enter:g} dead letters in the last minute or more; gone when a minute brings none. A "
        "change of the "
        f"group, its clients, the topic, its schema or the broker is named when they rose within "
        f"{SUSPECT_MS // 60_000} minutes after it.",
        numbers=(
            Number("dead letters", dead, "letters", DEAD.enter),
            Number("die", dead / over_s, "records/s"),
            *((Number("of them for this "
            "reason", reason[1] / letters.looked_at, "share"),) if letters and reason else ()),
            *((Number("attempts that fail", tried.failing, "share"),) if tried else ()),
        ),
        not_causes=(
            "Not the load: as many die when less comes in. The other records are handled, unless order by key is "
            "asked for and they come behind one of these.",
        ),
        levers=(*_undo(changes, topic, group), *(
            Lever("Look at the letters by fingerprint", "One look shows whether it is one fault or many.",
                  look="dead-letters"),
            Lever("Mend the handler, then "
            "replay", "Letters of that fingerprint are handled; nothing is lost meanwhile."),
        )),
    )  # fmt: skip


def _retries(world: World, group: str, tried: attempts.Tried) -> Finding:
    topics = world.snapshot.groups[group].partitions.topics
    changes = suspects(world, topics, group, world.failures.get(group, ()))
    return Finding(
        rule=AFTER if changes else RETRIES,
        subject=f"group:{group}",
        group=group,
        topic=topics[0] if len(topics) == 1 else "",
        urgency=Urgency.SOON if changes else Urgency.HINT,
        weight=tried.failed_rate,
        title=f"{words.percent(tried.failing)} of the attempts of {group} fail",
        symptom=f"{words.rate(tried.failed_rate, 'attempts')} of {words.number(tried.tried_rate)} fail and "
        "are made again.",
        cause=_after(changes[0], world.now_ms)
        if changes
        else "What the handler calls refuses some of them, or records come before what they need.",
        judged=f"{words.percent(FAILING.enter)} of the attempts between two looks or more fail; gone below "
        f"{words.percent(FAILING.leave)}.",
        numbers=(
            Number("attempts that fail", tried.failing, "share", FAILING.enter),
            Number("fail", tried.failed_rate, "attempts/s"),
            Number("attempts over their time", tried.timeouts_rate, "attempts/s"),
            Number("die", tried.dead_rate, "records/s"),
        ),
        not_causes=("Not poison: hardly anything becomes a dead letter.",),
        levers=(
            *_undo(changes, topics[0] if topics else "", group),
            Lever("Look at the retries", "Their last errors say who refuses.", look="retries"),
            Lever(
                "Wait longer before the next attempt",
                "A downstream that is overloaded gets less at once; what failed is handled later.",
                Experiment(
                    f"group:{group}", "retry_base_ms", ("-", "5000"), topics[0] if topics else "", group
                ),
            ),
        ),
    )


def _after(change: Happened, now_ms: int) -> str:
    by = f" by {change.by}" if change.by else ""
    return f"It began after a change: {change.says}{by}, {words.time(max(0, now_ms - change.at_ms))} ago."


def _undo(changes: Sequence[Happened], topic: str, group: str) -> tuple[Lever, ...]:
    if not changes:
        return ()
    return (
        Lever(
            "Take the change back",
            f"If it was {changes[0].says}, the failures end with it; what died meanwhile can be replayed.",
            look="history",
        ),
    )
