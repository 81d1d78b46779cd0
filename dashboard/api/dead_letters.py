"""Dead letters: by what they died of, one by one, and one of them whole."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest, QueryDict
from ninja import Field, Query, Router, Schema

from dashboard.audit import trail
from dashboard.masking.rules import rules, shield_among, shield_of
from dashboard.pages import dead_letters as failures_page
from dashboard.pages import letter as letter_page
from dashboard.pages import letters as letters_page
from dashboard.pages.page import Address
from dashboard.projections.models import DeadLetter, FailureGroup
from dashboard.schema_registry.decoding import Decoder
from streamlab.delivery.dead_letter import LetterAddress

from .contents import BySchema, Contents, Header, by_schema, contents, headers
from .door import actor, reads, reads_records, reveals
from .paging import Page, Paging, page_of

router = Router(tags=["Dead letters"])
State = Literal["dead", "replaying", "recovered", "failed again", "discarded"]


class Failure(Schema):
    """Letters of one group and topic that died alike."""

    fingerprint: str
    group: str
    topic: str
    exception: str
    message: str = Field(description="Without its variables; hidden where masking rules hold.")
    call_site: str
    first_ms: int | None
    last_ms: int | None
    dead: int
    replaying: int
    recovered: int
    failed_again: int
    discarded: int


class Letter(Schema):
    group: str
    topic: str = Field(description="Where the record was first produced.")
    partition: int
    offset: int
    record_id: str
    state: State
    died_ms: int | None
    cause: str
    exception: str
    message: str
    fingerprint: str
    attempts: int
    replays: int
    dlq_topic: str
    dlq_partition: int | None = Field(description="null: not known yet.")
    dlq_offset: int | None


class LetterAttempt(Schema):
    attempt: int
    planned_ms: int
    actual_ms: int
    duration_ms: int
    error_class: str
    error_message: str
    member: str


class LetterInFull(Schema):
    letter: str = Field(description="As operations name it: topic/partition@offset.")
    state: str
    group: str
    topic: str
    partition: int
    offset: int
    record_id: str
    died_ms: int
    cause: str
    exception: str
    message: str
    traceback: str
    fingerprint: str
    attempts: list[LetterAttempt]
    replays: int
    key: Contents | None
    value: Contents | None
    headers: list[Header]
    key_by_schema: BySchema | None
    value_by_schema: BySchema | None
    masked: bool


class FailureQuery(Paging):
    q: str = Field("", max_length=300)
    group: str = Field("", max_length=500)
    topic: str = Field("", max_length=249)
    all: bool = Field(False, description="With failures of which no letter is dead or replaying.")


class LetterQuery(Paging):
    q: str = Field("", max_length=300)
    group: str = Field("", max_length=500)
    topic: str = Field("", max_length=249)
    partition: int | None = Field(None, ge=0, le=1_000_000)
    fingerprint: str = Field("", max_length=64)
    state: State | None = None


def _address(query: Schema) -> Address:
    """The query as the page of the same list reads it."""
    asked = QueryDict(mutable=True)
    for name, value in query.model_dump(exclude_none=True).items():
        asked[name] = "1" if value is True else "" if value is False else str(value)
    return Address("", {}, asked)


@router.get("/dead-letters", auth=reads, response=Page[Failure], operation_id="list_failures")
def failures(request: HttpRequest, query: Query[FailureQuery]) -> object:
    """Dead letters grouped by fingerprint, the newest failure first."""
    known = rules()

    def item(one: FailureGroup) -> dict[str, Any]:
        said = shield_among(known, one.topic).said
        return {**_fields(Failure, one), "message": said(one.message)}

    return page_of(failures_page.found(_address(query)), query, item)


@router.get("/dead-letters/letters", auth=reads, response=Page[Letter], operation_id="list_letters")
def letters(request: HttpRequest, query: Query[LetterQuery]) -> object:
    """Single letters, the newest first."""
    known = rules()

    def item(one: DeadLetter) -> dict[str, Any]:
        said = shield_among(known, one.topic).said
        return {**_fields(Letter, one), "message": said(one.message)}

    return page_of(letters_page.found(_address(query)), query, item)


@router.get(
    "/dead-letters/letters/{dlq}/{int:partition}/{int:offset}",
    auth=reads_records,
    response=LetterInFull,
    operation_id="get_letter",
)
def letter(request: HttpRequest, dlq: str, partition: int, offset: int) -> object:
    """One letter with what it holds, its error and every attempt."""
    return _letter(LetterAddress(dlq, partition, offset), reveal=False)


@router.post(
    "/dead-letters/letters/{dlq}/{int:partition}/{int:offset}/reveal",
    auth=reveals,
    response=LetterInFull,
    operation_id="reveal_letter",
)
def reveal(request: HttpRequest, dlq: str, partition: int, offset: int) -> object:
    """One letter as it is stored, whatever masking rules say. Each call leaves a line in the audit trail."""
    where = LetterAddress(dlq, partition, offset)
    found = _letter(where, reveal=True)
    trail.record(actor(request), "letter.revealed", str(where))
    return found


def _fields(shape: type[Schema], row: object) -> dict[str, Any]:
    return {name: getattr(row, name) for name in shape.model_fields}


def _letter(where: LetterAddress, *, reveal: bool) -> dict[str, Any]:
    found = letter_page.read(where, reveal=reveal)
    dead = found.letter
    decoder = Decoder()
    return {
        "letter": str(where),
        "state": found.status.state.replace("-", " "),
        "group": dead.group,
        "topic": dead.topic,
        "partition": dead.partition,
        "offset": dead.offset,
        "record_id": dead.record_id,
        "died_ms": dead.died_ms,
        "cause": dead.cause.value,
        "exception": dead.error_class,
        "message": dead.error_message,
        "traceback": dead.traceback,
        "fingerprint": dead.fingerprint,
        "attempts": [_fields(LetterAttempt, attempt) for attempt in dead.attempts],
        "replays": dead.replays,
        "key": contents(dead.key),
        "value": contents(dead.value),
        "headers": headers(dead.headers),
        "key_by_schema": by_schema(decoder.decoded(dead.topic, dead.key, is_key=True)),
        "value_by_schema": by_schema(decoder.decoded(dead.topic, dead.value)),
        "masked": shield_of(where.topic, dead.topic).active,
    }
