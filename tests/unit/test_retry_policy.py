"""When a failed record is tried again, and when it is given up."""

from __future__ import annotations

import random
from math import inf, nan
from statistics import mean

import pytest

from streamlab import Permanent, Release, Retryable, RetryAfter, RetryPolicy
from streamlab.delivery.dead_letter import Cause
from streamlab.delivery.policy import GiveUp, RetryIn
from streamlab.errors import IllegalArgumentError, KafkaConnectionError


class OutOfStock(Exception):
    pass


CERTAIN = RetryPolicy(base_ms=100, cap_ms=1_000, jitter="none", max_attempts=5)

VERDICTS = [
    ("the first failure waits base_ms", CERTAIN, ValueError(), 1, 0, None, RetryIn(100)),
    ("each further one twice as long", CERTAIN, ValueError(), 3, 0, None, RetryIn(400)),
    ("but never longer than cap_ms", RetryPolicy(base_ms=100, cap_ms=1_000, jitter="none", max_attempts=9),
     ValueError(), 8, 0, None, RetryIn(1_000)),
    ("the last attempt gives up", CERTAIN, ValueError(), 5, 0, None, GiveUp(Cause.EXHAUSTED)),
    ("so does every attempt beyond it", CERTAIN, ValueError(), 6, 0, None, GiveUp(Cause.EXHAUSTED)),
    ("Permanent gives up at once", CERTAIN, Permanent(), 1, 0, None, GiveUp(Cause.REJECTED)),
    ("Retryable follows the policy", CERTAIN, Retryable(), 2, 0, None, RetryIn(200)),
    ("RetryAfter says its own wait", CERTAIN, RetryAfter(7), 1, 0, None, RetryIn(7_000)),
    ("RetryAfter counts as an attempt", CERTAIN, RetryAfter(7), 5, 0, None, GiveUp(Cause.EXHAUSTED)),
    ("a wait that is no number is none", CERTAIN, RetryAfter(nan), 1, 0, None, RetryIn(0)),
    ("a wait without end lasts a year", CERTAIN, RetryAfter(inf), 1, 0, None, RetryIn(366 * 86_400_000)),
    ("Release does not", CERTAIN, Release(seconds=3), 9, 0, None, RetryIn(3_000, counted=False)),
    ("what cannot be decoded is not tried again", CERTAIN, ValueError(), 1, 0, Cause.DESERIALIZATION,
     GiveUp(Cause.DESERIALIZATION)),
    ("nor what breaks its schema", CERTAIN, ValueError(), 1, 0, Cause.SCHEMA, GiveUp(Cause.SCHEMA)),
    ("a mistake in the program is not tried again", CERTAIN, TypeError(), 1, 0, None, GiveUp(Cause.REJECTED)),
    ("sys.exit() in a handler neither", CERTAIN, SystemExit(), 1, 0, None, GiveUp(Cause.REJECTED)),
    ("what is not in retry_on is rejected", RetryPolicy(retry_on=(OutOfStock,)), ValueError(), 1, 0, None,
     GiveUp(Cause.REJECTED)),
    ("what is in retry_on is tried again", RetryPolicy(retry_on=(OutOfStock,), jitter="none"), OutOfStock(), 1, 0,
     None, RetryIn(1_000)),
    ("a verdict stands above retry_on", RetryPolicy(retry_on=(OutOfStock,), jitter="none"), Retryable(), 1, 0, None,
     RetryIn(1_000)),
    ("never_retry stands above retry_on", RetryPolicy(never_retry=(OutOfStock,)), OutOfStock(), 1, 0, None,
     GiveUp(Cause.REJECTED)),
    ("subclasses count", RetryPolicy(never_retry=(LookupError,)), KeyError(), 1, 0, None, GiveUp(Cause.REJECTED)),
    ("an error of the broker is tried again", CERTAIN, KafkaConnectionError(), 1, 0, None, RetryIn(100)),
    ("what would come after max_age_ms has expired",
     RetryPolicy(base_ms=100, jitter="none", max_age_ms=1_000), ValueError(), 1, 950, None, GiveUp(Cause.EXPIRED)),
    ("what comes before it has not",
     RetryPolicy(base_ms=100, jitter="none", max_age_ms=1_000), ValueError(), 1, 850, None, RetryIn(100)),
    ("attempts run out before age does",
     RetryPolicy(max_attempts=1, max_age_ms=1), ValueError(), 1, 99, None, GiveUp(Cause.EXHAUSTED)),
]  # fmt: skip


@pytest.mark.parametrize(
    "what, policy, error, attempt, age_ms, cause, expected", VERDICTS, ids=[v[0] for v in VERDICTS]
)
def test_the_policy_decides(what, policy, error, attempt, age_ms, cause, expected):
    assert policy.decide(error, attempt, age_ms, cause=cause) == expected


@pytest.mark.parametrize("attempt", [1, 2, 5, 12])
def test_with_full_jitter_every_moment_of_the_wait_is_as_likely_as_every_other(attempt):
    policy, draw = RetryPolicy(base_ms=100, cap_ms=10_000), random.Random(20101201)
    longest = policy.longest_ms(attempt)
    waits = [policy.delay_ms(attempt, draw) for _ in range(20_000)]
    assert min(waits) >= 0 and max(waits) <= longest
    tenths = [0] * 10
    for wait in waits:
        tenths[min(9, int(wait / longest * 10))] += 1
    chi_square = sum((n - 2_000) ** 2 / 2_000 for n in tenths)
    assert chi_square < 27.9  # 9 degrees of freedom, p = 0.001; the seed is fixed
    assert mean(waits) == pytest.approx(longest / 2, rel=0.02)


def test_without_jitter_the_wait_is_the_longest_one():
    policy = RetryPolicy(base_ms=50, multiplier=3, cap_ms=1_000, jitter="none")
    assert [policy.delay_ms(n) for n in range(1, 6)] == [50, 150, 450, 1_000, 1_000]


def test_no_number_of_attempts_is_too_large_for_the_arithmetic():
    assert RetryPolicy(cap_ms=5_000).longest_ms(100_000) == 5_000


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"base_ms": -1},
        {"base_ms": inf},
        {"base_ms": nan},
        {"multiplier": 0.5},
        {"multiplier": nan},
        {"cap_ms": -1},
        {"cap_ms": inf},
        {"max_age_ms": nan},
        {"jitter": "some"},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(IllegalArgumentError):
        RetryPolicy(**wrong)
