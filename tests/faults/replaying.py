"""Runs one replay job in a process of its own, to be killed: `python -m tests.faults.replaying URL ID`."""

from __future__ import annotations

import sys

import streamlab

if __name__ == "__main__":
    url, job_id = sys.argv[1:]
    with streamlab.connect(url) as broker:
        broker.replays().run(job_id)
