"""`python -m benchmarks.advisor [SCENARIO …]`: does the advisor name what is wrong, and nothing else?

Every scenario of the lab is run for real (sampler, lab, processes of their own), some at a time. The advisor is asked
every few seconds; then what is wrong is mended by a lever of the scenario, and it is asked until its findings are gone.
The table says how long each took and which findings there were that should not have been.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from streamlab.advisor.finding import Finding
from streamlab.broker import Broker
from streamlab.lab.loads.desired import Loads
from streamlab.lab.loads.files import changed, parsed
from streamlab.lab.scenarios import SCENARIOS

from . import lab
from .rounds import spread

ASK_EVERY_S = 2.5
NAMED_WITHIN_S = 150.0
"""A cause that is not named by then is not named."""
HEALTHY_FOR_S = 90.0
"""So long a scenario without a fault is watched."""
WATCHED_ON_S = 25.0
"""After everything was named; something false may come late."""
GONE_WITHIN_S = 180.0
LATER_S = 30.0


@dataclass(frozen=True)
class Case:
    """What the advisor should say of a scenario, and what mends it."""

    expected: frozenset[str]  # rules
    remedy: Mapping[str, str] = field(default_factory=dict)  # changes of the load; {}: it is stopped instead
    begins: Mapping[str, str] = field(default_factory=dict)  # changes of the load before it starts
    later: Mapping[str, str] = field(default_factory=dict)  # changes of it once it has run for LATER_S
    also: frozenset[str] = frozenset()  # true as well, but not the point


def _case(
    *expected: str,
    also: Sequence[str] = (),
    begins: Sequence[str] = (),
    later: Sequence[str] = (),
    **remedy: str,
) -> Case:
    changes = {name.replace("__", "."): value for name, value in remedy.items()}
    return Case(frozenset(expected), changes, parsed(list(begins)), parsed(list(later)), frozenset(also))


CASES: dict[str, Case] = {
    "steady-shop": _case(),
    "burst": _case("burst", begins=["producers.burst.after_s=60"], producers__burst="none"),
    "hot-key": _case("hot-key", producers__keys__kind="uniform"),
    "hot-partition": _case("hot-partition", producers__keys__count="1000"),
    "tiny-batches": _case(
        "tiny-batches", producers__settings__linger_ms="50", producers__settings__batch_size="16384"
    ),
    "many-partitions": _case("tiny-batches", producers__full_speed="false"),
    "too-few-partitions": _case("too-few-partitions", also=["idle-members"], consumers__concurrency="4"),
    "idle-members": _case("idle-members", consumers__count="2"),
    "slow-consumer": _case("capacity", consumers__handler_ms="5"),
    "slow-member": _case("slow-member", consumers__slow_first="1"),
    "flapping-consumer": _case("rebalance-storm", consumers__rejoin_every_s="0"),
    "nobody-reads": _case("nobody-reads", later=["consumers.count=0"], consumers__count="2"),
    "small-polls": _case("small-polls", consumers__settings__max_poll_records="500"),
    "long-polls": _case("long-polls", consumers__settings__max_poll_records="50"),
    "idle-fetches": _case("idle-fetches", consumers__settings__fetch_max_wait_ms="500"),
    "slow-downstream": _case(
        "slow-downstream", consumers__failures__stall_share="0", consumers__failures__transient_share="0"
    ),
    "poison-records": _case(
        "dead-letters", consumers__failures__permanent_share="0", consumers__failures__transient_share="0"
    ),
    "failing-after-change": _case(
        "failing-after-change", later=["group.retry_max_attempts=1"], group__retry_max_attempts=""
    ),
    "slow-command": _case("slow-requests", stalls__ms="0"),
    "retention-edge": _case(
        "retention-edge", "capacity", consumers__handler_ms="5", **{"topic__retention.ms": "3600000"}
    ),
    "replay-file": _case(),
}


@dataclass
class Seen:
    """What was said of one scenario in one round. Seconds since its start, or since its remedy."""

    named_s: dict[str, float] = field(default_factory=dict)  # by rule
    gone_s: dict[str, float] = field(default_factory=dict)
    others: set[str] = field(default_factory=set)  # findings that should not have been there
    looks: int = 0
    told: list[str] = field(default_factory=list)  # by look: the rules that were found

    @property
    def in_short(self) -> str:
        """What it said, look by look, each as often as it stood."""
        looks = ", ".join(f"{rules} × {len(list(run))}" for rules, run in groupby(self.told))
        return f"{looks}; gone after {self.gone_s}"


def run(broker: Broker, names: Sequence[str]) -> dict[str, Seen]:
    """Some scenarios side by side, once."""
    loads, seen = Loads(broker.connection), {name: Seen() for name in names}
    for name in names:
        loads.start(changed(SCENARIOS[name].load, dict(CASES[name].begins)), by="benchmark")
    started, turned = time.monotonic(), False
    while (now_s := time.monotonic() - started) < NAMED_WITHIN_S + WATCHED_ON_S:
        if now_s >= LATER_S and not turned:
            turned = True
            _change(loads, {name: CASES[name].later for name in names})
        for name, findings in lab.findings(broker, names).items():
            _note(seen[name], CASES[name], findings, now_s)
        named = [s for name in names for s in seen[name].named_s.values()]
        if all(seen[name].named_s.keys() >= CASES[name].expected for name in names) and now_s >= max(
            HEALTHY_FOR_S, *named, 0.0
        ) + (WATCHED_ON_S if named else 0.0):
            break
        time.sleep(ASK_EVERY_S)
    _mend(broker, loads, names, seen)
    for name in names:
        loads.stop(name)
    return seen


def _mend(broker: Broker, loads: Loads, names: Sequence[str], seen: Mapping[str, Seen]) -> None:
    _change(loads, {name: CASES[name].remedy for name in names})
    started = time.monotonic()
    while (now_s := time.monotonic() - started) < GONE_WITHIN_S:
        for name, findings in lab.findings(broker, names).items():
            rules = {finding.rule for finding in findings} - CASES[name].also
            replaced = rules - CASES[name].expected
            for rule in seen[name].named_s:
                if rule in rules or replaced:
                    seen[name].gone_s.pop(rule, None)
                else:
                    seen[name].gone_s.setdefault(rule, now_s)
        if all(seen[name].gone_s.keys() >= seen[name].named_s.keys() for name in names):
            return
        time.sleep(ASK_EVERY_S)


def _change(loads: Loads, changes: Mapping[str, Mapping[str, str]]) -> None:
    """By scenario."""
    for name, fields in changes.items():
        if fields:
            loads.change(changed(loads.require(name).load, dict(fields)))


def _note(seen: Seen, case: Case, findings: Sequence[Finding], now_s: float) -> None:
    seen.looks += 1
    seen.told.append(",".join(sorted(finding.rule for finding in findings)) or "-")
    for finding in findings:
        if finding.rule in case.expected:
            seen.named_s.setdefault(finding.rule, now_s)
        elif finding.rule not in case.also:
            seen.others.add(finding.rule)


def as_markdown(rounds: Sequence[Mapping[str, Seen]]) -> str:
    """A line for each scenario over all rounds."""
    lines = [
        "| scenario | should be named | named | after, s | something else | gone after its remedy, s |",
        "|---|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        seen = [found[name] for found in rounds if name in found]
        if not seen:
            continue
        whole = sum(one.named_s.keys() >= case.expected for one in seen)
        others = sorted({rule for one in seen for rule in one.others})
        lines.append(
            f"| {name} | {', '.join(sorted(case.expected)) or 'nothing'} | {whole} of {len(seen)} | "
            f"{_times([one.named_s for one in seen])} | {', '.join(others) or 'no'} | "
            f"{_times([one.gone_s for one in seen])} |"
        )
    return "\n".join(lines)


def _times(by_rule: Sequence[Mapping[str, float]]) -> str:
    """Median (least–most) of each rule."""
    rules = sorted({rule for found in by_rule for rule in found})
    parts = []
    for rule in rules:
        amounts = spread([found[rule] for found in by_rule if rule in found])
        label = f"{rule} " if len(rules) > 1 else ""
        parts.append(f"{label}{amounts.median:.0f} ({amounts.low:.0f}–{amounts.high:.0f})")
    return ", ".join(parts) or "–"


def main(arguments: list[str] | None = None) -> int:
    parser = lab.parser("advisor", __doc__ or "", CASES, together=3)
    parser.add_argument("--rounds", type=int, default=3)
    asked = lab.parsed(parser, CASES, arguments)
    rounds: list[dict[str, Seen]] = []
    with lab.told_how_busy():
        for number in range(asked.rounds):
            rounds.append({})
            for names in asked.groups:
                with lab.opened() as broker:
                    rounds[-1] |= run(broker, names)
                for name in names:
                    said = rounds[-1][name].in_short
                    print(f"round {number + 1}: {name}: {said}", file=sys.stderr, flush=True)
        print(as_markdown(rounds))
    return 0


if __name__ == "__main__":
    sys.exit(main())
