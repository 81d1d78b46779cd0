"""A worker loses nothing, and nothing stands still, when the server answers late, not at all, or has forgotten."""

from __future__ import annotations

import threading
import time

import pytest
from redis.exceptions import ConnectionError as LostConnectionError

from streamlab import Permanent, RetryPolicy, keys
from streamlab.connection import Connection
from streamlab.delivery import leasing
from streamlab.delivery.leasing import Leasing
from streamlab.delivery.letter_sender import LetterSender
from streamlab.delivery.partition_retries import PartitionRetries
from streamlab.delivery.retry_queue import QueuedRecord, RetryQueue
from streamlab.errors import KafkaConnectionError
from streamlab.model import TopicPartition
from tests.builders import a_topic, numbered, produce
from tests.waiting import until
from tests.workers import GROUP, SOON, Recorder, committed, events, failing, letters, settled, waiting


def rejecting(record, context):
    raise Permanent("no")


def losing_an_answer(monkeypatch, to, that=lambda replies: True):
    """The first answer to this script is lost, and so are those to whatever was sent with it."""
    run_many, lost = Connection.run_many, []

    def run(self, calls, *more):
        replies = run_many(self, calls, *more)
        if not lost and any(call.script == to for call in calls) and that(replies):
            lost.append(len(calls))
            raise LostConnectionError("the line was cut")
        return replies

    monkeypatch.setattr(Connection, "run_many", run)
    return lost


def test_a_dead_letter_arrives_although_nobody_heard_that_it_was_stored(broker, worker_of, monkeypatch):
    topic = a_topic(broker)
    lost = losing_an_answer(monkeypatch, "delivery/bury")
    worker_of(topic, Recorder(rejecting))
    produce(broker, topic, numbered(3))
    until(lambda: settled(broker, topic, 3))
    produce(broker, topic, numbered(3, start=3))
    until(lambda: settled(broker, topic, 6))
    assert lost
    assert [letter.value for letter in letters(broker, topic)] == numbered(6)


def test_a_retry_is_handled_soon_although_nobody_heard_that_it_was_leased(broker, worker_of, monkeypatch):
    topic = a_topic(broker)
    recorder = Recorder(lambda record, context: 1 / (context.attempt - 1))
    lost = losing_an_answer(monkeypatch, "delivery/lease", lambda replies: any(len(r) > 4 for r in replies))
    worker_of(topic, recorder)
    produce(broker, topic, [b"0"])
    until(lambda: settled(broker, topic, 1), 20)  # a lease lasts for a minute
    assert lost and recorder.attempts == [(b"0", 1), (b"0", 2)]


def test_a_recovery_is_told_although_nobody_heard_that_it_was_stored(broker, worker_of, monkeypatch):
    topic = a_topic(broker)
    lost = losing_an_answer(monkeypatch, "delivery/settle")
    worker_of(topic, Recorder(lambda record, context: 1 / (context.attempt - 1)))
    produce(broker, topic, [b"0"])
    until(lambda: settled(broker, topic, 1))
    assert lost
    assert len(events(broker, "record.recovered")) == 1


def test_the_letters_of_a_topic_that_was_made_anew_join_the_old_ones(broker, worker_of):
    topic = a_topic(broker)
    first = worker_of(topic, Recorder(rejecting))
    produce(broker, topic, numbered(15))
    until(lambda: settled(broker, topic, 15))
    first.stop(30)
    broker.admin().delete_topics([topic])
    broker.admin().create_topics({topic: {"num_partitions": 1}})
    worker_of(topic, Recorder(rejecting))
    produce(broker, topic, numbered(3, start=15))
    until(lambda: settled(broker, topic, 3))
    assert [letter.value for letter in letters(broker, topic)] == numbered(18)


def test_the_letters_of_a_group_that_was_made_anew_join_the_old_ones(broker, worker_of):
    topic = a_topic(broker)
    first = worker_of(topic, Recorder(rejecting))
    produce(broker, topic, numbered(15))
    until(lambda: settled(broker, topic, 15))
    first.stop(30)
    broker.admin().delete_groups([GROUP])
    worker_of(topic, Recorder(rejecting))
    until(lambda: settled(broker, topic, 15))
    assert [letter.value for letter in letters(broker, topic)] == numbered(15) * 2


def test_letters_whose_numbers_were_taken_back_are_not_taken_for_others(broker, worker_of):
    topic = a_topic(broker)
    worker_of(topic, Recorder(rejecting))
    produce(broker, topic, numbered(5))
    until(lambda: settled(broker, topic, 5))
    as_a_failover_leaves_it = keys.retry("counts", topic, 0, GROUP)
    broker.connection.client.hset(as_a_failover_leaves_it, "letters", 2)
    produce(broker, topic, numbered(5, start=5))
    until(lambda: settled(broker, topic, 10))
    assert sorted(letter.value for letter in letters(broker, topic)) == numbered(10)


def test_a_letter_whose_number_another_one_has_by_now_is_not_taken_for_it(broker, worker_of, monkeypatch):
    topic, send, way_is_free = a_topic(broker), LetterSender.send, threading.Event()

    def send_later(self, letters):
        if not way_is_free.is_set():
            raise KafkaConnectionError("the server of the letters is away")
        return send(self, letters)

    monkeypatch.setattr(LetterSender, "send", send_later)
    worker_of(topic, Recorder(rejecting))
    produce(broker, topic, numbered(3))
    until(lambda: committed(broker, topic) == 3)
    as_a_failover_leaves_them = [keys.retry(kind, topic, 0, GROUP) for kind in ("counts", "outbox")]
    broker.connection.client.hset(as_a_failover_leaves_them[0], "letters", 1)
    broker.connection.client.hdel(as_a_failover_leaves_them[1], "L1", "L2")
    produce(broker, topic, numbered(3, start=3))
    until(lambda: committed(broker, topic) == 6)
    way_is_free.set()
    until(lambda: settled(broker, topic, 6))
    assert sorted(letter.value for letter in letters(broker, topic)) == numbered(6)


def test_a_deleted_topic_holds_up_no_other_ones_letters(broker, worker_of, monkeypatch):
    gone, topic = a_topic(broker), a_topic(broker)
    tell = PartitionRetries.told
    monkeypatch.setattr(PartitionRetries, "told", lambda self, parcels: tell(self, [("-", b"")]))
    worker = broker.worker(gone, topic, group_id=GROUP, handler=rejecting, **SOON).start()
    try:
        produce(broker, gone, [b"0"])
        until(lambda: letters(broker, gone))
        outbox = broker.connection.client.hgetall(keys.retry("outbox", gone, 0, GROUP))
        assert outbox
        stint = worker._shift._stints[TopicPartition(gone, 0)]
        broker.admin().delete_topics([gone, f"{gone}.{GROUP}.dlq"])
        worker._shift._relay.put_all(stint.retries, {name.decode(): data for name, data in outbox.items()})
        produce(broker, topic, [b"1"])
        until(lambda: [letter.value for letter in letters(broker, topic)] == [b"1"])
    finally:
        worker.stop(30)


def test_retries_of_a_partition_that_was_hard_to_take_are_not_forgotten(broker, worker_of, monkeypatch):
    partition = TopicPartition(a_topic(broker), 0)
    waiting = QueuedRecord(topic=partition.topic, partition=0, offset=7, timestamp=1, key=None, value=b"7")
    RetryQueue(broker.connection).enqueue(GROUP, [waiting])
    take_over, refused = PartitionRetries.take_over, []

    def refuse_once(self, connection):
        if not refused:
            refused.append(self)
            raise KafkaConnectionError("not now")
        return take_over(self, connection)

    monkeypatch.setattr(PartitionRetries, "take_over", refuse_once)
    recorder = Recorder()
    worker_of(partition.topic, recorder)
    until(lambda: recorder.values == [b"7"])  # without any record in the topic
    assert refused


def test_a_partition_whose_claim_was_taken_back_is_taken_again_and_skips_nothing(broker, worker_of):
    topic, hold = a_topic(broker), []
    recorder = Recorder(lambda record, context: until(lambda: hold or record.value != b"3"))
    worker_of(topic, recorder, ordering="partition")
    produce(broker, topic, numbered(6))
    until(lambda: committed(broker, topic) == 3)
    before = b"3 - 1700000000000 0 worker-before "
    broker.connection.client.hset(keys.commits(topic, 0), GROUP, before)  # as a failover leaves it
    hold.append("go on")
    produce(broker, topic, numbered(2, start=6))
    until(lambda: committed(broker, topic) == 8)
    assert {int(value) for value in recorder.values} == set(range(8))


def failing_once(value):
    """A judge that does not go by the number of the attempt, which begins anew with what was forgotten."""
    failed = []

    def judge(record, context):
        if record.value == value and not failed:
            failed.append(record)
            raise RuntimeError

    return judge


class Copy:
    """What stands beside a partition for the group, as a replica has it that is behind."""

    def __init__(self, broker, topic):
        self._client = broker.connection.client
        names = [keys.commits(topic, 0), *keys.retries(topic, 0, GROUP)]
        self._kept = {name: self._client.dump(name) for name in names}

    def takes_over(self):
        with self._client.pipeline() as pipe:
            for name, kept in self._kept.items():
                pipe.delete(name)
                if kept is not None:
                    pipe.restore(name, 0, kept)
            pipe.execute()


@pytest.mark.parametrize("ordering", ["none", "key", "partition"])
def test_a_failure_that_a_failover_takes_back_is_not_forgotten(broker, worker_of, ordering):
    topic, recorder = a_topic(broker), Recorder(failing_once(b"1"))
    worker_of(topic, recorder, ordering=ordering, retry=RetryPolicy(base_ms=60_000, jitter="none"))
    produce(broker, topic, [b"0"])
    until(lambda: settled(broker, topic, 1))
    behind = Copy(broker, topic)
    produce(broker, topic, [b"1"])
    until(lambda: waiting(broker, topic).records == 1 and committed(broker, topic) == 2)
    behind.takes_over()
    until(lambda: recorder.values == numbered(2))
    produce(broker, topic, [b"2"])
    until(lambda: settled(broker, topic, 3))
    assert recorder.values == numbered(3)


def test_nothing_is_committed_past_a_failure_that_a_failover_takes_back(broker, worker_of, monkeypatch):
    monkeypatch.setattr(Leasing, "look", lambda self, stints: None)  # which would notice it, too
    topic, recorder = a_topic(broker), Recorder(failing_once(b"1"))
    worker_of(topic, recorder)
    produce(broker, topic, [b"0"])
    until(lambda: settled(broker, topic, 1))
    behind = Copy(broker, topic)
    produce(broker, topic, [b"1"])
    until(lambda: committed(broker, topic) == 2)
    behind.takes_over()
    produce(broker, topic, [b"2"])
    until(lambda: settled(broker, topic, 3))
    assert set(recorder.values) == {b"0", b"1", b"2"}


def test_what_is_in_hand_while_the_server_is_away_for_a_lease_is_not_taken_again(
    broker, worker_of, monkeypatch
):
    monkeypatch.setattr(leasing, "LEASE_MS", 600)
    run_many, back, since = Connection.run_many, threading.Event(), []

    def run(self, calls, *more):
        if since and not back.is_set():
            if time.monotonic() > since[0] + 1 and any(call.script == "delivery/extend" for call in calls):
                back.set()  # next time
            raise LostConnectionError("the line was cut")
        return run_many(self, calls, *more)

    def judge(record, context):
        if context.attempt == 1:
            raise ValueError
        since.append(time.monotonic())
        back.wait(30)
        time.sleep(1)  # in which it would be taken again

    monkeypatch.setattr(Connection, "run_many", run)
    topic, recorder = a_topic(broker), Recorder(judge)
    worker_of(topic, recorder)
    produce(broker, topic, [b"0"])
    until(lambda: settled(broker, topic, 1))
    assert recorder.attempts == [(b"0", 1), (b"0", 2)]


def test_a_commit_that_a_failover_takes_back_holds_up_no_retry_of_a_key(broker, worker_of):
    topic, hold = a_topic(broker), []
    recorder = Recorder(lambda record, context: until(lambda: hold) and failing(1, b"0")(record, context))
    worker_of(topic, recorder, ordering="key", retry=RetryPolicy(base_ms=1_500, jitter="none"))
    with broker.producer() as producer:
        producer.send(topic, b"0", key=b"k").get(30)
    until(lambda: recorder.attempts)
    before = broker.connection.client.hget(keys.commits(topic, 0), GROUP)
    hold.append("go on")
    until(lambda: committed(broker, topic) == 1)
    broker.connection.client.hset(keys.commits(topic, 0), GROUP, before)
    until(lambda: settled(broker, topic, 1))
    assert recorder.values == [b"0"]


@pytest.mark.parametrize("headers", [[], [("ce_id", b"i" * (13 << 20))]])
def test_what_is_too_large_for_an_event_holds_up_no_other_ones(broker, worker_of, headers):
    topic = a_topic(broker, max_message_bytes=40_000_000)
    worker_of(topic, Recorder(rejecting))
    with broker.producer(max_request_size=40_000_000) as producer:
        producer.send(topic, b"0", key=b"k" * 3_000_000, headers=headers).get(30)
        producer.send(topic, b"1", key=b"k").get(30)
    until(lambda: settled(broker, topic, 2))
    assert [letter.value for letter in letters(broker, topic)] == numbered(2)
    assert "aw==" in {event.data["key"] for event in events(broker, "record.dead_lettered")}


@pytest.mark.parametrize(
    "headers",
    [
        [("sl-original-topic", b"a"), ("sl-original-partition", b"1"), ("sl-original-offset", b"9" * 20)],
        [("sl-original-topic", b"a"), ("sl-original-partition", b"9" * 12), ("sl-original-offset", b"9")],
        [
            ("sl-original-topic", b"a"),
            ("sl-original-partition", b"1"),
            ("sl-original-offset", b"1"),
            ("sl-original-timestamp", b"9" * 20),
            ("sl-replays", b"9" * 20),
        ],
    ],
)
def test_a_record_whose_headers_lie_dies_like_any_other(broker, worker_of, headers):
    topic = a_topic(broker)
    worker_of(topic, Recorder(rejecting))
    with broker.producer() as producer:
        producer.send(topic, b"0", headers=headers).get(30)
    until(lambda: settled(broker, topic, 1))
    assert [letter.value for letter in letters(broker, topic)] == [b"0"]
