"""What a producer says of each topic that it sends to."""

from __future__ import annotations

from streamlab.metrics.of_producer import MOST_TOPICS, ProducerFigures, SenderStats


def named(figures: ProducerFigures) -> dict[str, dict[str, float]]:
    return {
        name.removeprefix("producer-topic-metrics."): values
        for name, values in figures.named(0, 0, 0).items()
        if name.startswith("producer-topic-metrics.")
    }


def test_each_topic_counts_for_itself_and_all_of_them_for_the_producer():
    stats = SenderStats()
    figures = ProducerFigures(stats)
    stats.count_acknowledged("orders", 30)
    stats.count_acknowledged("payments", 12)
    stats.count_acknowledged("orders", 3)
    found = named(figures)
    assert {topic: values["record-send-total"] for topic, values in found.items()} == {
        "orders": 33.0,
        "payments": 12.0,
    }
    assert found["orders"]["record-send-rate"] > found["payments"]["record-send-rate"] > 0
    assert stats.totals()["records"] == 45


def test_of_very_many_topics_those_are_told_that_got_most():
    stats = SenderStats()
    figures = ProducerFigures(stats)
    for n in range(MOST_TOPICS + 50):
        stats.count_acknowledged(f"t{n}", n + 1)
    found = named(figures)
    assert len(found) == MOST_TOPICS
    assert min(int(topic[1:]) for topic in found) == 50
