"""One dead letter: what it holds, what it died of, each attempt, and its whole way."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist

from dashboard.broker import broker
from dashboard.masking import reading
from dashboard.masking.rules import shield_of
from dashboard.presenters import letters, records
from dashboard.presenters import payload as payloads
from dashboard.presenters.figures import duration
from dashboard.presenters.figures import moment as moment_figure
from dashboard.projections.models import DeadLetter, LetterState, RecordEvent
from dashboard.schema_registry.decoding import Decoder
from streamlab.delivery.dead_letter import LetterAddress
from streamlab.delivery.letter_reader import Letter
from streamlab.errors import StreamlabError, UnknownTopicOrPartitionError

from .database import fresh_connection
from .moments import Gone, Moment
from .page import Address, Page

MOST_STEPS = 200


def address_of(address: Address) -> LetterAddress:
    return LetterAddress(address.args["dlq"], int(address.args["partition"]), int(address.args["offset"]))


def read(where: LetterAddress, *, reveal: bool = False) -> Letter:
    """Masked unless it is revealed to an Admin. Raises Gone."""
    try:
        found = reading.letter_at(broker().connection, where, reveal=reveal)
    except (UnknownTopicOrPartitionError, OverflowError):
        raise Gone(f"There is no partition {where.topic}/{where.partition}.") from None
    if found is None:
        raise Gone(f"There is no dead letter {where}: retention may have removed it.")
    return found


def _status(letter: Letter) -> Any:
    return letters.STATUS[LetterState(letter.status.state.replace("-", " "))]


@fresh_connection
def context(moment: Moment, address: Address, *, reveal: bool = False) -> dict[str, Any]:
    where = address_of(address)
    try:
        letter = read(where, reveal=reveal)
    except StreamlabError as error:
        return {"failed": str(error), "where": str(where)}
    dead, now_ms = letter.letter, moment.read_at_ms
    shield = shield_of(where.topic, dead.topic)
    decoder = Decoder()
    key, key_by = payloads.read_by(dead.key, decoder.decoded(dead.topic, dead.key, is_key=True))
    value, value_by = payloads.read_by(dead.value, decoder.decoded(dead.topic, dead.value))
    way, earlier = RecordEvent.objects.filter(record_id=dead.record_id, group=dead.group).newest(MOST_STEPS)
    return {
        "where": str(where),
        "dead": dead,
        "state": letter.status,
        "status": _status(letter),
        "can_replay": letter.status.state == "dead",
        "key": key,
        "key_by": key_by,
        "value": value,
        "value_by": value_by,
        "headers": payloads.headers(dead.headers),
        "attributes": records.attributes_of(dead.headers),
        "error": payloads.visible(dead.error_class.rpartition(".")[2] or dead.cause.value),
        "message": payloads.visible(dead.error_message),
        "traceback": payloads.visible(dead.traceback),
        "died": moment_figure(dead.died_ms if dead.died_ms > 0 else None, now_ms),
        "attempts": [
            (
                attempt,
                moment_figure(attempt.planned_ms),
                moment_figure(attempt.actual_ms),
                duration(max(0, attempt.actual_ms - attempt.planned_ms)),
                duration(attempt.duration_ms),
            )
            for attempt in dead.attempts
        ],
        "way": letters.step_rows(way, (lambda text: text) if reveal else shield.said),
        "earlier": earlier,
        "most_steps": MOST_STEPS,
        "successor": letter.status.successor,
        "row": _row(where),
        "masked": shield.active,
        "revealed": reveal,
    }


def _row(where: LetterAddress) -> DeadLetter | None:
    try:
        return DeadLetter.objects.filter(
            dlq_topic=where.topic, dlq_partition=where.partition, dlq_offset=where.offset
        ).get()
    except (ObjectDoesNotExist, DeadLetter.MultipleObjectsReturned):
        return None


PAGE = Page(
    name="letter",
    pattern="dead-letters/<path:dlq>/<int:partition>/<int:offset>/",
    title=lambda address: f"Dead letter {address.args['partition']} / {address.args['offset']}",
    parts=("headline", "way"),
    context=context,
    measured=False,
    under="dead-letters",
)
