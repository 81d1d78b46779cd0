"""The lab's supervisor with real child processes: started, restarted, stopped, and never left behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from streamlab.lab.supervisor import Supervisor
from tests.waiting import until

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = (
    "import signal, sys, time; signal.signal(15, signal.SIG_IGN); open(sys.argv[1], 'w'); time.sleep(600)"
)
FAILING = [sys.executable, "-c", "raise SystemExit(3)"]


@pytest.fixture
def supervisor():
    keeper = Supervisor(os.environ)
    yield keeper
    keeper.stop(5)


def pids(supervisor):
    supervisor.tick()
    return {state.name: state.pid for state in supervisor.states() if state.pid}


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_what_is_wanted_runs_and_what_is_not_wanted_ends(supervisor):
    supervisor.want({"a": SLEEPER, "b": SLEEPER})
    before = pids(supervisor)
    assert before.keys() == {"a", "b"}
    supervisor.want({"a": SLEEPER})
    assert pids(supervisor) == {"a": before["a"]}
    until(lambda: supervisor.tick() or not runs(before["b"]))


def test_a_child_that_is_killed_is_started_again(supervisor):
    supervisor.want({"a": SLEEPER})
    first = pids(supervisor)["a"]
    os.kill(first, signal.SIGKILL)
    until(lambda: pids(supervisor).get("a") not in (None, first))
    assert supervisor.states()[0].restarts == 1


def test_a_child_that_fails_at_once_is_not_started_in_a_hurry(supervisor):
    supervisor.want({"a": FAILING})
    supervisor.tick()
    began, waited_s = time.monotonic(), []
    for restarts in (1, 2):
        until(lambda count=restarts: supervisor.tick() or supervisor.states()[0].restarts == count)
        waited_s.append(time.monotonic() - began)
    assert waited_s[0] >= 0.5 and waited_s[1] >= 1.5


def test_stopping_takes_no_longer_than_told_even_when_a_child_ignores_it(supervisor, tmp_path):
    ready = tmp_path / "ready"
    supervisor.want({"a": [sys.executable, "-c", STUBBORN, str(ready)], "b": SLEEPER})
    started = pids(supervisor)
    until(ready.exists)
    begin = time.monotonic()
    supervisor.stop(1.0)
    assert time.monotonic() - begin < 30
    assert not any(runs(pid) for pid in started.values())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children that their parent died")
def test_children_do_not_outlive_a_supervisor_that_is_killed():
    program = (
        "import os, sys, time\n"
        "from streamlab.lab.supervisor import Supervisor\n"
        f"keeper = Supervisor(os.environ); keeper.want({{'a': {SLEEPER!r}}}); keeper.tick()\n"
        "print(keeper.states()[0].pid, flush=True); time.sleep(600)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    assert runs(child)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    until(lambda: not runs(child))
