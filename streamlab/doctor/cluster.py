"""Rules about a cluster as a whole, and the findings of its nodes put together.

>>> nodes = [NodeFacts("a:1", True, "a", None, Facts()), NodeFacts("b:1", True, "b", None, Facts())]
>>> slots(ClusterFacts(nodes, served=16_000)).says
'384 of the 16384 slots have no master that answers.'
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ..cluster.slots import SLOTS
from . import RULES, keeping
from .facts import Facts, Finding, Level, count

FEWEST_MASTERS = 3
CLOCKS_APART_MS = 500.0


@dataclass(frozen=True)
class NodeFacts:
    """One node of a cluster."""

    name: str  # host:port
    is_master: bool
    host: str
    master: str | None  # of a replica
    facts: Facts | None  # None: it does not answer


@dataclass(frozen=True)
class ClusterFacts:
    nodes: Sequence[NodeFacts]
    served: int  # slots that have a master

    @property
    def masters(self) -> list[NodeFacts]:
        return [node for node in self.nodes if node.is_master]

    def replicas_of(self, master: NodeFacts) -> list[NodeFacts]:
        return [node for node in self.nodes if node.master == master.name and node.facts is not None]


def slots(cluster: ClusterFacts) -> Finding:
    if cluster.served == SLOTS:
        return Finding(
            "slots", Level.OK, f"All {SLOTS} slots are served, by {count(len(cluster.masters), 'master')}."
        )
    return Finding(
        "slots",
        Level.PROBLEM,
        f"{SLOTS - cluster.served} of the {SLOTS} slots have no master that answers.",
        "Partitions and groups in them can be neither written nor read.",
        "redis-cli --cluster fix <host:port of a node>",
    )


def nodes(cluster: ClusterFacts) -> Finding:
    silent = [node.name for node in cluster.nodes if node.facts is None]
    if not silent:
        return Finding("nodes", Level.OK, f"All {len(cluster.nodes)} nodes answer.")
    dead = any(node.is_master for node in cluster.nodes if node.facts is None)
    return Finding(
        "nodes",
        Level.PROBLEM if dead else Level.WARNING,
        f"{', '.join(silent)}: no answer.",
        "Its partitions wait until a replica has its place." if dead else "It cannot take a master's place.",
        "Start it again, or look at the network between.",
    )


def majority(cluster: ClusterFacts) -> Finding:
    there = len(cluster.masters)
    if there >= FEWEST_MASTERS:
        return Finding(
            "masters", Level.OK, f"{there} masters; a failover needs the votes of {there // 2 + 1}."
        )
    return Finding(
        "masters",
        Level.WARNING,
        f"{count(there, 'master')}.",
        "When one fails, no majority is left to put a replica in its place.",
        "redis-cli --cluster add-node, then --cluster rebalance --cluster-use-empty-masters",
    )


def replicas(cluster: ClusterFacts) -> Finding:
    alone = [master.name for master in cluster.masters if not cluster.replicas_of(master)]
    beside = [
        master.name
        for master in cluster.masters
        if (theirs := cluster.replicas_of(master)) and all(node.host == master.host for node in theirs)
    ]
    if alone:
        return Finding(
            "copies",
            Level.WARNING,
            f"{', '.join(alone)}: no replica.",
            "When it is lost, so are its partitions; acks=all waits for its own disk alone.",
            "redis-cli --cluster add-node <new host:port> <host:port> --cluster-slave",
        )
    if beside:
        return Finding(
            "copies",
            Level.WARNING,
            f"{', '.join(beside)}: every replica is on the same machine.",
            "When that machine is lost, so are its partitions.",
            "Put a replica of each master on another machine.",
        )
    return Finding("copies", Level.OK, "Every master has a replica on another machine.")


def coverage(cluster: ClusterFacts) -> Finding:
    needs_all = [
        node.name
        for node in cluster.masters
        if node.facts and node.facts.setting("cluster-require-full-coverage") == "yes"
    ]
    if not needs_all:
        return Finding("full coverage", Level.OK, "Masters go on when others are lost.")
    return Finding(
        "full coverage",
        Level.WARNING,
        f"{', '.join(needs_all)}: cluster-require-full-coverage is yes.",
        "While one master is lost, all others refuse everything, too.",
        "On each: CONFIG SET cluster-require-full-coverage no",
    )


def clocks(cluster: ClusterFacts) -> Finding:
    ahead = {
        node.name: node.facts.clock_ahead_ms
        for node in cluster.nodes
        if node.facts is not None and node.facts.clock_ahead_ms is not None
    }
    if not ahead:
        return Finding("clocks", Level.UNKNOWN, "unknown, because no node said its time.")
    first, last = max(ahead, key=ahead.__getitem__), min(ahead, key=ahead.__getitem__)
    apart_ms = ahead[first] - ahead[last]
    if apart_ms < CLOCKS_APART_MS:
        return Finding("clocks", Level.OK, f"The nodes' clocks differ by {apart_ms:.0f} ms at most.")
    return Finding(
        "clocks",
        Level.WARNING,
        f"The clock of {first} is {apart_ms / 1000:.1f} s ahead of that of {last}.",
        "Append times of different partitions cannot be compared; after a failover they stand still that long.",
        "Let NTP set the clocks of all nodes (timedatectl set-ntp true).",
    )


CLUSTER_RULES: tuple[Callable[[ClusterFacts], Finding], ...] = (
    slots,
    nodes,
    majority,
    replicas,
    coverage,
    clocks,
)
_OF_THE_WHOLE = {keeping.replicas}  # the cluster's own rule says more


def examine_cluster(cluster: ClusterFacts) -> list[Finding]:
    """The cluster's findings, then those of its nodes, like ones together."""
    findings = [rule(cluster) for rule in CLUSTER_RULES]
    asked = [node for node in cluster.nodes if node.facts is not None]
    for rule in RULES:
        if rule not in _OF_THE_WHOLE:
            findings += together((node.name, rule(node.facts)) for node in asked if node.facts is not None)
    return findings


def together(found: Iterable[tuple[str, Finding]]) -> list[Finding]:
    """One finding for all nodes of which the same is true; of those that are well one in all.

    >>> ok = Finding("version", Level.OK, "Redis 7.2.4.")
    >>> [f.says for f in together([("a:1", ok), ("b:1", ok), ("c:1", Finding("version", Level.PROBLEM, "Old."))])]
    ['On a:1, b:1: Redis 7.2.4.', 'On c:1: Old.']
    """
    by_meaning: dict[tuple[Level, str], list[tuple[str, Finding]]] = defaultdict(list)
    total = 0
    for node, finding in found:
        total += 1
        alike = "" if finding.level is Level.OK else finding.says
        by_meaning[finding.level, alike].append((node, finding))
    return [_merged(nodes, total) for nodes in by_meaning.values()]


def _merged(found: list[tuple[str, Finding]], total: int) -> Finding:
    where = f"all {total} nodes" if len(found) == total else ", ".join(node for node, _ in found)
    first = found[0][1]
    said = dict.fromkeys(finding.says for _, finding in found)
    says = first.says if len(said) == 1 else f"{first.says.rstrip('.')}, and the like."
    return first._replace(says=f"On {where}: {says}")
