"""`streamlab worker MODULE:NAME`: run the handlers of a program until it is told to stop."""

from __future__ import annotations

import importlib
import logging
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import Url, usage_error
from .output import note

if TYPE_CHECKING:
    from ..delivery.worker import Worker


def worker(
    target: Annotated[
        str,
        typer.Argument(
            metavar="MODULE:NAME",
            help="Where the handlers are, from this directory: a broker with @broker.handler(...), or a worker. "
            "Without :NAME, the broker that the module holds.",
        ),
    ],
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only warnings and errors.")] = False,
    url: Url = None,
) -> None:
    """Run handlers until SIGTERM or Ctrl-C, then finish what is in hand, commit and leave the group.

    A second signal ends at once: what was in hand is handled again by the next worker.
    """
    logging.basicConfig(
        level=logging.WARNING if quiet else logging.INFO,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    if url:
        os.environ["STREAMLAB_URL"] = url  # where the program's connect() looks
    from ..delivery.running import run_until_stopped

    workers = workers_of(found(target))
    for one in workers:
        note(f"Group {one.group_id} handles {', '.join(one.topics)}. Ctrl-C stops.")
    run_until_stopped(workers)
    note("Stopped; everything that was begun is settled or will be handled again.")


def found(target: str) -> Any:
    """What `module:name` leads to, imported from the current directory. Raises BadParameter in one sentence."""
    module_name, colon, name = target.partition(":")
    if module_name.endswith(".py") or "/" in module_name:
        dotted = Path(module_name).with_suffix("").as_posix().replace("/", ".")
        raise usage_error(f"{target!r} is a file; write it as a module: {dotted}:{name or 'broker'}")
    if not module_name or (colon and not name):
        raise usage_error("Write MODULE:NAME, for example shop.handlers:broker.")
    module = _imported(module_name)
    if not name:
        return _only_broker(module, module_name)
    value: Any = module
    for part in name.split("."):
        if not hasattr(value, part):
            there = ", ".join(_public(value)) or "no broker and no worker"
            raise usage_error(f"There is no {name!r} in {module_name}. It has: {there}.")
        value = getattr(value, part)
    return value


def _imported(name: str) -> Any:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise usage_error(f"There is no module {name!r} in {here}.") from None
        traceback.print_exc()
        raise usage_error(f"{name} needs a module that is not there: {error.name}.") from None
    except Exception as error:
        traceback.print_exc()
        raise usage_error(f"{name} cannot be imported: {type(error).__name__}: {error}") from None


def _only_broker(module: Any, name: str) -> Any:
    from ..broker import Broker

    brokers = {id(value): value for value in vars(module).values() if isinstance(value, Broker)}
    if len(brokers) != 1:
        raise usage_error(f"{name} holds {len(brokers) or 'no'} brokers; say which: {name}:NAME.")
    return next(iter(brokers.values()))


def workers_of(value: Any) -> list[Worker]:
    """A broker's, a worker itself, or several. Raises BadParameter when it is nothing of that."""
    from ..broker import Broker
    from ..delivery.worker import Worker

    if isinstance(value, Worker):
        return [value]
    if isinstance(value, Broker):
        if not value.workers:
            raise usage_error("This broker has no handlers: decorate a function with @broker.handler(...).")
        return value.workers
    if isinstance(value, (list, tuple)) and value and all(isinstance(one, Worker) for one in value):
        return list(value)
    raise usage_error(
        f"{type(value).__name__} is neither a broker nor a worker. Name the broker whose handler(...) decorates "
        "your functions."
    )


def _public(value: Any) -> list[str]:
    """Names that could be meant: of brokers and workers."""
    from ..broker import Broker
    from ..delivery.worker import Worker

    return sorted(
        name
        for name, held in vars(value).items()
        if isinstance(held, (Broker, Worker))
        or (isinstance(held, (list, tuple)) and held and all(isinstance(one, Worker) for one in held))
    )
