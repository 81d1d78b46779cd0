"""Workers as a process: until it is told to stop, or one of them cannot go on."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Sequence
from types import FrameType

from ..errors import IllegalStateError
from .worker import Worker

log = logging.getLogger(__name__)


def run_until_stopped(workers: Sequence[Worker]) -> None:
    """Run all of them until SIGTERM or SIGINT; a second signal ends the process at once. In the main thread.

    When one ends by an error the others are stopped too, and the error is raised: half a process is not what whoever
    supervises it believes to have. Raises IllegalStateError when there are no workers.
    """
    if not workers:
        raise IllegalStateError("There is no worker to run: decorate a function with @broker.handler(...).")
    stop = threading.Event()
    errors: list[BaseException] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def on_signal(number: int, frame: FrameType | None) -> None:
        log.info("Told to stop by %s; what is in hand is finished first.", signal.Signals(number).name)
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    def run(worker: Worker) -> None:
        try:
            worker.run()
        except BaseException as error:
            errors.append(error)
        finally:
            stop.set()

    threads = [
        threading.Thread(target=run, args=(worker,), name=f"worker-{worker.group_id}", daemon=True)
        for worker in workers
    ]
    for number in before:
        signal.signal(number, on_signal)
    try:
        for thread in threads:
            thread.start()
        while not stop.wait(0.5):  # so that signals are seen
            pass
        for worker in workers:
            worker.stop()
        for thread in threads:
            while thread.is_alive():
                thread.join(0.5)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if errors:
        raise errors[0]
