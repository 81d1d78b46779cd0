"""The contract of a kind of operation. Each kind is one module of `kinds/` that fills it in.

`preview` reads only, and says exactly what would happen. `run` is called by a worker with what the preview was true
of; it raises `WorldMoved` when that no longer holds, and then has changed nothing. Errors of the core say what to do,
so they may pass through both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol

from django import forms

from dashboard.access.roles import Role
from streamlab.broker import Broker

Spec = Mapping[str, Any]
"""What was asked for, as JSON; the kind's form makes it."""


class WorldMoved(Exception):
    """Raised when the broker is no longer as the preview saw it. Nothing was changed. Its text says what moved."""


class Stopped(Exception):
    """Raised inside `run` by `Job.step` when somebody cancelled. What was done until then stays done.

    A kind may raise it anew with what came of it so far.
    """

    def __init__(self, why: str, result: Result | None = None):
        super().__init__(why)
        self.result = result


class Taken(Exception):
    """Raised inside `run` when this run was given up for dead and has the operation no longer.

    It ends at once and settles nothing: what becomes of the operation is for whoever has it now.
    """


class GaveUp(Exception):
    """Raised inside `run` when it ends before its end, by a rule of its own. Its text says why."""

    def __init__(self, why: str, result: Result):
        super().__init__(why)
        self.result = result


@dataclass(frozen=True)
class Table:
    """The effect, line by line."""

    heads: Sequence[str]
    rows: Sequence[Sequence[Any]]
    left_out: int = 0  # further rows that are not shown
    numeric: Sequence[bool] = ()  # of each column: whether it holds numbers

    def __post_init__(self) -> None:
        columns = [[row[i] for row in self.rows if row[i] is not None] for i in range(len(self.heads))]
        numbers = [bool(c) and all(isinstance(value, (int, float)) for value in c) for c in columns]
        object.__setattr__(self, "numeric", numbers)


@dataclass(frozen=True)
class Preview:
    """What an operation would do now."""

    effect: str  # one sentence with the exact numbers: what the button will do
    facts: Sequence[tuple[str, str]] = ()  # figure by figure
    table: Table | None = None
    warnings: Sequence[str] = ()
    blocked: str = ""  # why it cannot be run as things are; "" when it can
    undo: str = ""  # how it could be taken back; "" when it cannot
    world: Mapping[str, Any] = field(default_factory=dict)  # JSON; what must still hold when it starts

    def as_json(self) -> dict[str, Any]:
        shown = asdict(self)
        del shown["world"]
        return shown


@dataclass(frozen=True)
class Result:
    """What came of it."""

    effect: str  # one sentence in the past tense
    facts: Sequence[tuple[str, str]] = ()
    table: Table | None = None
    data: Mapping[str, Any] = field(default_factory=dict)  # JSON; what an undo needs
    commands: Sequence[tuple[str, str]] = ()  # what one may want next: words, and the line for a shell

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Since:
    """What is known now of what it set going, after it ended."""

    facts: Sequence[tuple[str, str]]  # instead of those of its result
    settled: bool  # whether nothing more can come of it


class Job(Protocol):
    """What a running operation may say and ask. Every call is cheap; most write nothing."""

    number: int  # of the operation
    by: str  # name of who confirmed it
    progress: dict[str, Any]  # as saved by an earlier run that died; {} at the first

    def step(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far it is, before the next thing is done. Raises Stopped when somebody cancelled, and Taken."""

    def tell(self, done: int, total: int | None = None, note: str = "") -> None:
        """Say how far it is where nothing can be stopped any more: the thing is done, whoever cancelled meanwhile."""

    def save(self, progress: Mapping[str, Any]) -> None:
        """Keep where to go on, should this worker die."""


class Form(forms.Form):
    """What is asked for. `fill` offers the choices that exist now, `spec` is what was chosen, as JSON."""

    when: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Fields that are shown for one answer only: field -> (other field, its answers, separated by spaces)."""

    sections: ClassVar[Mapping[str, str]] = {}
    """Headings before fields, where a form is long."""

    def __init__(self, *args: Any, broker: Broker, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.broker = broker
        for name, heading in self.sections.items():
            if name in self.fields:
                self.fields[name].section = heading  # type: ignore[attr-defined]
        for name, condition in self.when.items():
            self.fields[name].when = [condition]  # type: ignore[attr-defined]
        self.fill()

    def fill(self) -> None:
        """Put the topics and groups that there are into the fields."""

    def spec(self) -> dict[str, Any]:
        return dict(self.cleaned_data)

    @classmethod
    def entered(cls, spec: Spec) -> Mapping[str, Any] | None:
        """What was entered to ask for this; None when the form cannot say it. A form with its own `spec` says so."""
        return spec if cls.spec is Form.spec else None


@dataclass(frozen=True)
class Contents:
    """Where an operation holds what records hold, so that masking rules reach it."""

    topic: Callable[[Spec], Sequence[str]]  # whose records
    spec: Sequence[str] = ()  # names in the spec
    facts: Sequence[str] = ()  # facts of the preview
    columns: Sequence[str] = ()  # of its table


@dataclass(frozen=True)
class Copied:
    """Records that an operation takes to where other masking rules may hold."""

    topics: Sequence[str]  # whose records they are
    into: str = ""  # the topic that they go into; "": back to where they came from
    edited: bool = False  # changed on the way


@dataclass(frozen=True)
class Kind:
    """One kind of operation."""

    name: str  # in addresses
    title: str  # "Reset offsets"
    verb: str  # on the button that does it: "Reset 6 partitions" begins with it
    about: str  # one sentence: what it is for
    form: type[Form]
    subject: Callable[[Spec], str]  # "group revenue"
    preview: Callable[[Broker, Spec], Preview]
    run: Callable[[Broker, Spec, Mapping[str, Any], Job], Result]
    command: Callable[[Spec], str]  # the same in a shell; "" when there is no such command
    role: Role = Role.OPERATOR
    undo: Callable[[Spec, Mapping[str, Any]], tuple[str, dict[str, Any]] | None] = lambda spec, data: None
    """(spec, result data) -> kind and spec of the operation that takes it back; None when nothing can."""
    since: Callable[[Broker, Mapping[str, Any]], Since | None] = lambda broker, progress: None
    """(broker, what the run saved) -> what came of it since it ended; None when that is not (or no longer) known."""
    into: Callable[[Broker, Spec], str] = lambda broker, spec: ""
    """The topic that it writes into, where its subject does not say so; "" for none. Raises StreamlabError."""
    copies: Callable[[Broker, Spec], Copied | None] = lambda broker, spec: None
    """The records that it takes elsewhere; None: it takes none. Raises StreamlabError."""
    resumable: bool = False  # a run that died may be begun again with its saved progress
    contents: Contents | None = None  # None: it holds none
    template: str = "pages/operation/new.html"  # of its form
    menu: str = "operations"  # name of the page that its form belongs to
    dangerous: bool = False  # destroys what cannot be brought back: the name must be typed
