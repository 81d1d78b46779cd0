"""The advisor and real scenarios of the lab: what is injected is named, and nothing else.

`python -m benchmarks.advisor` does this for every scenario, several times, and until each finding has gone.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from streamlab.advisor import NothingMeasured, advise
from streamlab.lab.loads.desired import Loads
from streamlab.lab.loads.files import changed
from streamlab.lab.scenarios import SCENARIOS
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
def told(shell, broker):
    """(load, rule) of all that was found, once the expected ones are."""
    loads = Loads(broker.connection)
    shell.start("sampler")
    shell.start("lab", "run")
    until(loads.status, 60, "the lab says that it is open")

    def run(expected: Mapping[str, str]) -> set[tuple[str, str]]:
        for name in expected:
            loads.start(changed(SCENARIOS[name].load, {}))
        found: set[tuple[str, str]] = set()

        def all_named() -> bool:
            try:
                findings = advise(broker.connection).findings
            except NothingMeasured:
                return False
            for finding in findings:
                about = f"{finding.subject} {finding.group} {finding.topic}"
                found.update((name, finding.rule) for name in expected if f"lab-{name}" in about)
            return found >= set(expected.items())

        until(all_named, WITHIN_S, "every cause is named")
        return found

    return run


def test_three_scenarios_at_once_are_each_named_and_nothing_else_is(told):
    assert told(EXPECTED) == set(EXPECTED.items())


@pytest.mark.parametrize("engine", ["cluster"], indirect=True)
def test_on_a_cluster_a_cause_is_named_as_on_one_server(told):
    assert told({"tiny-batches": "tiny-batches"}) == {("tiny-batches", "tiny-batches")}
