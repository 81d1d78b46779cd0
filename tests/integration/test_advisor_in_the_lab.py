"""The advisor and real scenarios of the lab: what is injected is named, and nothing else.

`python -m benchmarks.advisor` does this for every scenario, several times, and until each finding has gone.
"""

from __future__ import annotations

import pytest

from streamlab.advisor import NothingMeasured, advise
from streamlab.lab.loads.desired import Loads
from streamlab.lab.loads.files import changed
from streamlab.lab.scenarios import SCENARIOS
from tests.shell import Shell
from tests.waiting import until

pytestmark = pytest.mark.slow

EXPECTED = {
    "slow-consumer": "capacity",
    "tiny-batches": "tiny-batches",
    "poison-records": "dead-letters",
}
WITHIN_S = 400
"""On a quiet machine about 45 s, which is how long the slope of a lag takes."""


@pytest.fixture
def shell(redis_url, tmp_path):
    running = Shell(redis_url, tmp_path)
    yield running
    running.stop_all()


def test_three_scenarios_at_once_are_each_named_and_nothing_else_is(shell, broker):
    loads = Loads(broker.connection)
    shell.start("sampler")
    shell.start("lab", "run")
    until(loads.status, 60, "the lab says that it is open")
    for name in EXPECTED:
        loads.start(changed(SCENARIOS[name].load, {}))
    told: set[tuple[str, str]] = set()

    def all_named() -> bool:
        try:
            findings = advise(broker.connection).findings
        except NothingMeasured:
            return False
        for finding in findings:
            about = f"{finding.subject} {finding.group} {finding.topic}"
            told.update((name, finding.rule) for name in EXPECTED if f"lab-{name}" in about)
        return told >= set(EXPECTED.items())

    until(all_named, WITHIN_S, "every cause is named")
    assert told == set(EXPECTED.items())
