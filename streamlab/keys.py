"""Every key that Streamlab keeps in Redis. A key that is not in this table does not exist.

What stands in braces is the cluster hash tag: all keys of one partition share a slot, all keys of one group share
a slot, and no script ever needs two slots.

key                              type    written by                 lifetime       holds
sl:{orders/3}:log                stream  append.lua, trim.lua       retention      one entry per record batch
sl:{orders/3}:meta               hash    append.lua, trim.lua       the topic's    end, start, bytes, cuts, purged …
sl:{orders/3}:cleaned            stream  compact/*.lua              one pass       the log as compaction writes it anew
sl:{orders/3}:commits            hash    commit.lua, claim.lua      the topic's    group -> see `Commit`
sl:{orders/3}:producers          hash    append.lua                 the topic's    producer id -> epoch, last 10 batches
sl:{orders/3}:retry-due:<group>  zset    delivery/*.lua             its records'   id by when due or its lease ends
sl:{orders/3}:retry-records:<..> hash    delivery/*.lua             until settled  id -> `QueuedRecord`
sl:{orders/3}:retry-state:<..>   hash    delivery/*.lua             until settled  id -> kind, chain
sl:{orders/3}:retry-chain:<..>   zset    delivery/*.lua             until settled  chain and offset: who waits for whom
sl:{orders/3}:retry-leases:<..>  hash    delivery/*.lua             the lease      id -> turn
sl:{orders/3}:retry-done:<..>    zset    delivery/*.lua, commit.lua next commit    settled, but not committed offsets
sl:{orders/3}:retry-outbox:<..>  hash    delivery/*.lua             until told     dead letters and events on their way
sl:{orders/3}:retry-counts:<..>  hash    delivery/*.lua             the topic's    parked, bytes, steps, numbers given
sl:{orders/3}:retry-replays:<..> zset    delivery/replay.lua        7 days         replays put in, by when
sl:{group:analytics}:meta        hash    groups/*.lua               the group's    epoch, target's, assignor, pause
sl:{group:analytics}:members     hash    groups/*.lua               lease          member id -> JSON of `Member`
sl:{group:analytics}:leases      zset    groups/*.lua               lease          member id by expiry (server ms)
sl:{group:analytics}:target      hash    groups/assign.lua          epoch          member id -> JSON of partitions
sl:{group:analytics}:owners      hash    groups/take.lua            ownership      orders/3 -> member id and owner epoch
sl:{group:analytics}:rebalance   hash    groups/*.lua               until done     the rebalance under way
sl:{group:analytics}:moves       hash    groups/*.lua               until done     orders/3 -> from, to, standstill ms
sl:{group:analytics}:idle        hash    groups/*.lua               until taken    orders/3 -> free since (ms), whose
sl:{group:analytics}:instances   hash    groups/join.lua            lease          group_instance_id -> member id
sl:{group:analytics}:stamps      hash    groups/*.lua               lease          member id -> last change of ownership
sl:{group:analytics}:events      stream  groups/*.lua               newest 1,000   outbox: what happened, type and JSON
sl:{group:analytics}:relayed     string  events/relay.py            the group's    last entry of the outbox carried on
sl:{group:analytics}:wake        channel groups/*.lua               -              "something changed, look again"
sl:{orders.revenue.dlq/3}:letters hash   letters/*.lua              the letters'   offset -> state of a dead letter
sl:{orders.revenue.dlq/3}:replays hash   letters/*.lua              30 days        replay id -> how far it came here
sl:{orders.revenue.dlq/3}:untold hash    letters/change.lua         until told     changes that history has not heard of
sl:dead-letters                  hash    dead_letter_topics.py      for ever       dead-letter topic -> topic and group
sl:replays                       zset    replay_jobs.py             30 days        replay id by time of its draft
sl:replays:untold                zset    replay_history.py          until told     begins and ends of replays, by time
sl:replay:<id>                   hash    replay_jobs.py             30 days        a replay job: spec, state, who, when
sl:replay:<id>:lease             string  replay_runner.py           10 s           which process runs it
sl:topics                        hash    topics/change.lua          the topic's    topic -> JSON of `TopicSpec`
sl:{sl:topics}:events            stream  topics/change.lua          newest 1,000   outbox: what happened, type and JSON
sl:{sl:topics}:relayed           string  events/relay.py            for ever       last entry of the outbox carried on
sl:retry-queues                  set     delivery/retry_queue.py    for ever       orders/revenue: may have retries
sl:{__streamlab.schemas/0}:events stream schemas/append_at.lua      newest 1,000   outbox: what happened, type and JSON
sl:{__streamlab.schemas/0}:relayed string events/relay.py           for ever       last entry of the outbox carried on
sl:groups                        set     groups/membership.py       the group's    names of all groups
sl:groups:deleted                set     groups/control.py          until told     groups whose outbox is still there
sl:clients                       zset    metrics/telemetry.py       for ever       instances by last push (server ms)
sl:clients:<instance>            hash    metrics/telemetry.py       1 min          state, figures of a running client
sl:{config}:version              string  configs/change.lua         for ever       number of the newest change
sl:{config}:entities             set     configs/change.lua         for ever       entities that have settings
sl:{config}:of:<entity>          hash    configs/change.lua         its settings'  setting -> JSON; its @version
sl:{config}:events               stream  configs/change.lua         10,000 last    changes: history and outbox
sl:{config}:relayed              string  events/relay.py            for ever       last entry of the outbox carried on
sl:{config}:wake                 channel configs/change.lua         -              "look again"
sl:sampler:lease                 string  metrics/sampler.py         5 s            which process samples
sl:snapshot                      string  metrics/sampler.py         1 min          the newest snapshot
sl:snapshot:seq                  string  metrics/sampler.py         for ever       number of the newest snapshot
sl:snapshot:tick                 channel metrics/sampler.py         -              "a new snapshot is there"
sl:history:<res>:<what>:<name>   string  metrics/history.py         twice its span ring of fixed cells, one a tick
sl:past:<step>                   stream  metrics/past.py            twice its span whole snapshots of earlier moments
sl:commit-window:<group>         string  metrics/commit_windows.py  7 days         last 10 commits of each partition
sl:once:<consumer>:<event id>    string  delivery/idempotence.py    its TTL        claimed until, or done
sl:outbox:lease:<name>           string  metrics/lease.py           5 s            who sends a database's outbox
sl:doctor:<token>:<what>         any     doctor/ask.py               10 s           what a user's rights are tried on
sl:play:<topic>:<source>         string  lab/positions.py           30 days        how far a file was played, as JSON
sl:lab:loads                     hash    lab/desire.lua             while wanted   load -> JSON of `Desired`
sl:lab:status                    string  lab/loads/manager.py       5 s            which processes of loads run
sl:lab:lease                     string  lab/loads/manager.py       5 s            which process runs loads
sl:lab:topics                    set     lab/loads/topic.py         for ever       topics that loads have made
sl:lab:prepared                  hash    lab/loads/desired.py       while wanted   load -> JSON of `Prepared`
sl:lab:experiment                string  experiments/notes.py       while it runs  what an experiment must put back
sl:lab:experiment-lease          string  experiments/runner.py      5 s            which process runs it
sl:lab:experiment-stop           string  experiments/stopping.py    while it runs  the wish that it stop, JSON of `Wish`
sl:lab:experiments               hash    experiments/notes.py       newest 100     id -> JSON of `Outcome`
sl:advisor                       string  advisor/memory.py           5 min          newest findings, counters
sl:advisor:asked                 string  advisor/memory.py           30 s           somebody wants advice
sl:advisor:turn                  string  advisor/memory.py           3 s            who is looking now
sl:shop:*                        any     lab/shop.py                the demo's     state of the simulated shop
"""

from __future__ import annotations

PREFIX = "sl:"

TOPICS = PREFIX + "topics"
TOPICS_EVENTS = (
    PREFIX + "{sl:topics}:events"
)  # in the slot of the registry, whose whole name is this one's hash tag
TOPICS_RELAYED = PREFIX + "{sl:topics}:relayed"
SCHEMAS_EVENTS = PREFIX + "{__streamlab.schemas/0}:events"  # in the slot of the registry's log
SCHEMAS_RELAYED = PREFIX + "{__streamlab.schemas/0}:relayed"
GROUPS = PREFIX + "groups"
GROUPS_DELETED = PREFIX + "groups:deleted"
DEAD_LETTER_TOPICS = PREFIX + "dead-letters"
RETRY_QUEUES = PREFIX + "retry-queues"
REPLAYS = PREFIX + "replays"
REPLAYS_UNTOLD = PREFIX + "replays:untold"
CLIENTS = PREFIX + "clients"
CONFIG_VERSION = PREFIX + "{config}:version"
CONFIG_ENTITIES = PREFIX + "{config}:entities"
CONFIG_EVENTS = PREFIX + "{config}:events"
CONFIG_RELAYED = PREFIX + "{config}:relayed"
CONFIG_WAKE = PREFIX + "{config}:wake"
LAB_LOADS = PREFIX + "lab:loads"
LAB_STATUS = PREFIX + "lab:status"
LAB_LEASE = PREFIX + "lab:lease"
LAB_TOPICS = PREFIX + "lab:topics"
LAB_PREPARED = PREFIX + "lab:prepared"
EXPERIMENT = PREFIX + "lab:experiment"
EXPERIMENT_LEASE = PREFIX + "lab:experiment-lease"
EXPERIMENT_STOP = PREFIX + "lab:experiment-stop"
EXPERIMENTS = PREFIX + "lab:experiments"
ADVISOR = PREFIX + "advisor"
ADVISOR_ASKED = PREFIX + "advisor:asked"
ADVISOR_TURN = PREFIX + "advisor:turn"
SAMPLER_LEASE = PREFIX + "sampler:lease"
SNAPSHOT = PREFIX + "snapshot"
SNAPSHOT_SEQ = PREFIX + "snapshot:seq"
SNAPSHOT_TICK = PREFIX + "snapshot:tick"


def _partition(topic: str, partition: int, suffix: str) -> str:
    return f"sl:{{{topic}/{partition}}}:{suffix}"


def log(topic: str, partition: int) -> str:
    """
    >>> log("orders", 3)
    'sl:{orders/3}:log'
    """
    return _partition(topic, partition, "log")


def meta(topic: str, partition: int) -> str:
    return _partition(topic, partition, "meta")


def cleaned(topic: str, partition: int) -> str:
    return _partition(topic, partition, "cleaned")


def commits(topic: str, partition: int) -> str:
    return _partition(topic, partition, "commits")


def producers(topic: str, partition: int) -> str:
    return _partition(topic, partition, "producers")


def letters(topic: str, partition: int) -> str:
    return _partition(topic, partition, "letters")


def replay_progress(topic: str, partition: int) -> str:
    return _partition(topic, partition, "replays")


def untold_changes(topic: str, partition: int) -> str:
    return _partition(topic, partition, "untold")


def replay(replay_id: str) -> str:
    return f"{PREFIX}replay:{replay_id}"


def replay_lease(replay_id: str) -> str:
    return f"{PREFIX}replay:{replay_id}:lease"


RETRY_KINDS = ("due", "records", "state", "chain", "leases", "done", "outbox", "counts", "replays")


def retry(kind: str, topic: str, partition: int, group_id: str) -> str:
    """`kind` is one of RETRY_KINDS.

    >>> retry("due", "orders", 3, "revenue")
    'sl:{orders/3}:retry-due:revenue'
    """
    return _partition(topic, partition, f"retry-{kind}:{group_id}")


def retries(topic: str, partition: int, group_id: str) -> list[str]:
    """All keys of one retry queue."""
    return [retry(kind, topic, partition, group_id) for kind in RETRY_KINDS]


def _group(group_id: str, suffix: str) -> str:
    return (
        f"sl:{{group:{group_id}}}:{suffix}"  # a colon stands in no topic name, so no partition has these keys
    )


def group_meta(group_id: str) -> str:
    """
    >>> group_meta("analytics")
    'sl:{group:analytics}:meta'
    """
    return _group(group_id, "meta")


def group_members(group_id: str) -> str:
    return _group(group_id, "members")


def group_leases(group_id: str) -> str:
    return _group(group_id, "leases")


def group_target(group_id: str) -> str:
    return _group(group_id, "target")


def group_owners(group_id: str) -> str:
    return _group(group_id, "owners")


def group_rebalance(group_id: str) -> str:
    return _group(group_id, "rebalance")


def group_moves(group_id: str) -> str:
    return _group(group_id, "moves")


def group_idle(group_id: str) -> str:
    return _group(group_id, "idle")


def group_instances(group_id: str) -> str:
    return _group(group_id, "instances")


def group_stamps(group_id: str) -> str:
    return _group(group_id, "stamps")


def group_events(group_id: str) -> str:
    return _group(group_id, "events")


def group_relayed(group_id: str) -> str:
    return _group(group_id, "relayed")


def group_wake(group_id: str) -> str:
    return _group(group_id, "wake")


def client(instance: str) -> str:
    return f"{PREFIX}clients:{instance}"


def config_of(entity: str) -> str:
    """
    >>> config_of("group:revenue")
    'sl:{config}:of:group:revenue'
    """
    return f"{PREFIX}{{config}}:of:{entity}"


def history(resolution: str, what: str, name: str) -> str:
    """`resolution` is 1s, 10s or 60s; `what` is topic, group or broker.

    >>> history("1s", "topic", "orders")
    'sl:history:1s:topic:orders'
    """
    return f"{PREFIX}history:{resolution}:{what}:{name}"


def past(step: str) -> str:
    """`step` is 10s, 60s or 600s."""
    return f"{PREFIX}past:{step}"


def commit_window(group_id: str) -> str:
    """
    >>> commit_window("revenue")
    'sl:commit-window:revenue'
    """
    return f"{PREFIX}commit-window:{group_id}"


def play_position(topic: str, source: str) -> str:
    return f"{PREFIX}play:{topic}:{source}"


def once(consumer: str, event_id: str) -> str:
    """
    >>> once("mailer", "536365-1"), once("a:b", "c")
    ('sl:once:mailer:536365-1', 'sl:once:a%3Ab:c')
    """
    return f"{PREFIX}once:{consumer.replace('%', '%25').replace(':', '%3A')}:{event_id}"


def outbox_lease(name: str) -> str:
    return f"{PREFIX}outbox:lease:{name}"


def doctor(token: str, what: str) -> str:
    """
    >>> doctor("5f1c", "hash")
    'sl:doctor:5f1c:hash'
    """
    return f"{PREFIX}doctor:{token}:{what}"
