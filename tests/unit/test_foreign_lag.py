"""Lag and rate of streams that other programs made: known, or unknown with the reason."""

from __future__ import annotations

import pytest

from streamlab.foreign_streams import RECENT_ENTRIES, lag_of, rate_of

NOW = 1_700_000_000_000


def a_stream(first=1000, last=1009, end=1009, length=10, deleted=0):
    return {
        "length": length,
        "first-entry": (b"%d-0" % first, {}) if length else None,
        "last-entry": (b"%d-0" % last, {}) if length else None,
        "last-generated-id": b"%d-0" % end,
        "recorded-first-entry-id": b"%d-0" % (first if length else 0),
        "max-deleted-entry-id": b"%d-0" % deleted,
    }


def a_group(at, lag=None, read=None):
    return {"last-delivered-id": b"%d-0" % at, "lag": lag, "entries-read": read}


@pytest.mark.parametrize(
    ("sentence", "group", "stream", "lag", "because"),
    [
        ("the server counts it", a_group(1004, 5, 5), a_stream(), 5, None),
        ("nothing was read yet", a_group(0, None, None), a_stream(), 10, None),
        ("everything was read", a_group(1009, 0, 10), a_stream(), 0, None),
        ("an empty stream has no lag", a_group(0, None, None), a_stream(length=0), 0, None),
        ("the newest entries were deleted", a_group(1007, None, 8), a_stream(last=1007, deleted=1009), 0, None),
        ("all that is left is unread, whatever is said", a_group(1002, 7, 3), a_stream(1008, length=2), 2, None),
        ("likewise where it says nothing", a_group(1002, None, 3), a_stream(1008, length=2, deleted=1005), 2, None),
        ("set to the middle", a_group(1004), a_stream(), None, "an id in the middle"),
        ("unread ones were deleted", a_group(1004, None, 5), a_stream(deleted=1006, length=9), None, "were deleted"),
        ("beyond the end", a_group(5000), a_stream(), None, "beyond the end of the stream at 1009-0"),
        ("more than can be true", a_group(1008, 70, 9), a_stream(1008, length=2), None, "too many for the 2 entries"),
        ("an old server", {"last-delivered-id": b"1004-0"}, a_stream(), None, "older than 7.0"),
        ("no reason to be seen", a_group(1004, None, 5), a_stream(), None, "does not say why"),
    ],
)  # fmt: skip
def test_a_lag_is_known_or_says_why_not(sentence, group, stream, lag, because):
    found = lag_of(group, stream)
    assert found.value == lag, sentence
    assert (found.unknown_because is None) == (because is None)
    assert because is None or because in found.unknown_because


def ago(*seconds):
    return [NOW - round(s * 1000) for s in seconds]


@pytest.mark.parametrize(
    ("sentence", "times", "rate", "because"),
    [
        ("an empty stream has the rate 0", [], 0.0, None),
        ("two in the last minute", ago(5, 30, 90), 2 / 60, None),
        ("none in the last minute", ago(61, 90), 0.0, None),
        (
            "a fast one is measured over what was looked at",
            ago(*[n / 10 for n in range(RECENT_ENTRIES)]),
            10.0,
            None,
        ),
        ("a single old entry is a rate of 0", ago(3600), 0.0, None),
        ("a single young entry", ago(2), None, "a single entry"),
        ("numbers of one's own", [12, 11, 10], None, "no times"),
        ("times in another unit", [NOW * 1000, NOW * 1000 - 5], None, "no times"),
        ("all of them just now", ago(0, 0, 0), None, "this very millisecond"),
    ],
)
def test_a_rate_is_of_the_last_minute_or_says_why_not(sentence, times, rate, because):
    found = rate_of(times, NOW)
    assert found.value == (None if rate is None else pytest.approx(rate, rel=0.02)), sentence
    assert because is None or because in found.unknown_because
