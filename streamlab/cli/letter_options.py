"""Which dead letters a command of `streamlab dead-letters` is about: the same options for all of them."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from . import complete
from .options import usage_error
from .reset_arguments import duration_ms, moment_ms

if TYPE_CHECKING:
    from ..broker import Broker
    from ..delivery.dead_letters import DeadLetters
    from ..delivery.letter_filter import LetterFilter

Name = Annotated[
    str,
    typer.Argument(
        autocompletion=complete.dead_letter_topics,
        metavar="NAME",
        help="The dead-letter topic; with --group the topic whose letters these are.",
    ),
]
Group = Annotated[
    str | None,
    typer.Option(
        "--group", "-g", metavar="GROUP", autocompletion=complete.groups, help="The group that gave up."
    ),
]

_FILTERS: dict[str, Any] = {
    "letter": Annotated[
        list[str] | None,
        typer.Option("--letter", metavar="PARTITION@OFFSET", help="Exactly this one; may be repeated."),
    ],
    "error": Annotated[
        list[str] | None,
        typer.Option(
            "--error", metavar="CLASS", help="Exception class, whole or its last part; may be repeated."
        ),
    ],
    "fingerprint": Annotated[
        list[str] | None,
        typer.Option(
            "--fingerprint", metavar="HEX", help="As `groups` shows it, or how it begins; may be repeated."
        ),
    ],
    "since": Annotated[
        str | None,
        typer.Option(
            "--since", metavar="TIME", help="Died then or later: ISO 8601, or PT1H for an hour ago."
        ),
    ],
    "until": Annotated[str | None, typer.Option("--until", metavar="TIME", help="Died before then.")],
    "key": Annotated[str | None, typer.Option("--key", metavar="TEXT", help="The record's key.")],
    "partition": Annotated[
        list[int] | None, typer.Option("--partition", "-p", metavar="N", help="May be repeated.")
    ],
    "schema_version": Annotated[
        list[int] | None, typer.Option("--schema-version", metavar="N", help="May be repeated.")
    ],
    "cause": Annotated[
        list[str] | None,
        typer.Option(
            "--cause",
            metavar="CAUSE",
            help="exhausted, rejected, deserialization, schema or expired; may be repeated.",
        ),
    ],
    "state": Annotated[
        list[str] | None,
        typer.Option(
            "--state",
            metavar="STATE",
            help="dead, replaying, recovered, failed-again or discarded; may be repeated.",
        ),
    ],
    "record_id": Annotated[
        list[str] | None, typer.Option("--record-id", metavar="ID", help="Of the record; may be repeated.")
    ],
    "decision": Annotated[
        list[str] | None,
        typer.Option("--decision", metavar="NAME", help="Discarded or restored by it; may be repeated."),
    ],
    "text": Annotated[
        str | None,
        typer.Option(
            "--text", metavar="TEXT", help="In the error, or in the record's key, value or headers."
        ),
    ],
}


class Wanted(NamedTuple):
    """The filter options as they were typed."""

    options: dict[str, Any]

    @property
    def anything(self) -> bool:
        return any(value is not None and value != [] for value in self.options.values())

    def filter(self, dlq: str, now_ms: int) -> LetterFilter:
        """Raises typer.BadParameter."""
        from ..delivery.dead_letter import Cause
        from ..delivery.letter_filter import LetterFilter
        from ..delivery.letter_states import LetterState

        given = self.options
        return LetterFilter(
            letters=[address(dlq, text) for text in given["letter"] or []],
            error_classes=given["error"] or [],
            fingerprints=given["fingerprint"] or [],
            since_ms=_moment(given["since"], "--since", now_ms),
            until_ms=_moment(given["until"], "--until", now_ms),
            key=None if given["key"] is None else given["key"].encode(),
            partitions=given["partition"] or [],
            schema_versions=given["schema_version"] or [],
            causes=[_one_of(Cause, text, "--cause") for text in given["cause"] or []],
            states=[_one_of(LetterState, text, "--state") for text in given["state"] or []],
            record_ids=given["record_id"] or [],
            decisions=given["decision"] or [],
            text=given["text"],
        )


def some(count: int, noun: str) -> str:
    """
    >>> some(1, "letter"), some(2_000, "letter")
    ('1 letter', '2,000 letters')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command all filter options; it gets them as its argument `wanted`."""
    own = inspect.signature(command, eval_str=True)

    @functools.wraps(command)
    def with_filters(**arguments: Any) -> None:
        options = {name: arguments.pop(name) for name in _FILTERS}
        command(**arguments, wanted=Wanted(options))

    mine = [p for p in own.parameters.values() if p.name != "wanted"]
    filters = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)
        for name, kind in _FILTERS.items()
    ]
    keyword_only = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in mine]
    arguments = [p for p in keyword_only if p.default is inspect.Parameter.empty]
    options = [p for p in keyword_only if p.default is not inspect.Parameter.empty]
    with_filters.__signature__ = inspect.Signature([*arguments, *filters, *options])  # type: ignore[attr-defined]
    with_filters.__annotations__ = {}
    return with_filters


def letters_of(broker: Broker, name: str, group: str | None) -> DeadLetters:
    """Raises UnknownTopicOrPartitionError."""
    from ..delivery.dead_letters import DeadLetters

    if group is None:
        return DeadLetters.named(broker.connection, name)
    return DeadLetters(broker.connection, name, group)


def address(dlq: str, text: str) -> Any:
    """`3@41`, or the whole address as it is printed. Raises typer.BadParameter."""
    from ..delivery.dead_letter import LetterAddress

    try:
        found = LetterAddress.parse(text if "/" in text else f"{dlq}/{text}")
    except ValueError:
        raise usage_error(f"A letter is PARTITION@OFFSET, like 3@41, not {text!r}.") from None
    if found.topic != dlq:
        raise usage_error(f"{text} is not in {dlq}.")
    return found


def _moment(text: str | None, option: str, now_ms: int) -> int | None:
    if text is None:
        return None
    return now_ms - duration_ms(text, option) if text[:1] in "Pp" else moment_ms(text, option)


def _one_of(kind: Any, text: str, option: str) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise usage_error(f"{option} takes {', '.join(kind)}, not {text!r}.") from None
