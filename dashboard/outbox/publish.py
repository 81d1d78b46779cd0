"""Put events into the outbox: by hand, or for every change of a model.

    with transaction.atomic():
        invoice.save()
        publish("invoices", CloudEvent(id=…, source="/billing", type="invoice.sent", data=b"{}"), key=str(invoice.pk))

    publish_changes(Invoice, topic="invoices")          # once, in AppConfig.ready()

What is rolled back was never there; what is committed is sent, once (`relay.py`).
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import orjson
from django.db import models, transaction
from django.db.models.signals import post_delete, post_save
from django.forms.models import model_to_dict
from django.utils import timezone

from streamlab.cloudevents import CloudEvent, rfc3339
from streamlab.model import Headers
from streamlab.topics import check_name

from .models import OutboxEvent

Describe = Callable[[Any], Mapping[str, Any]]


def publish(topic: str, event: CloudEvent, key: str | bytes | None = None) -> OutboxEvent:
    """An event for the topic, in the transaction that is open; without one it is there at once.

    Records with the same key keep their order. Raises InvalidTopicError.
    """
    headers, value = event.to_binary()
    return publish_record(topic, value, key, headers)


def publish_record(
    topic: str,
    value: bytes | None,
    key: str | bytes | None = None,
    headers: Iterable[tuple[str, bytes | None]] = (),
) -> OutboxEvent:
    """Likewise for a record that is no CloudEvent."""
    check_name(topic)
    return OutboxEvent.objects.create(
        topic=topic, key=key.encode() if isinstance(key, str) else key, value=value, headers=as_json(headers)
    )


def publish_changes(
    model: type[models.Model], topic: str, source: str = "", describe: Describe | None = None
) -> None:
    """An event for each object of the model that is created, updated or deleted, keyed by its primary key.

    `describe` says what of an object goes into its events; by default every field. What bypasses save() and delete()
    (bulk_create, update(), raw SQL) makes no event: call publish() there.
    """
    label = model._meta.label_lower
    said = describe or _fields
    origin = source or f"/{label.replace('.', '/')}"

    def saved(sender: type[models.Model], instance: models.Model, created: bool, raw: bool, **_: Any) -> None:
        if not raw:  # of a fixture: no change of today
            _publish(
                topic, origin, f"{label}.{'created' if created else 'updated'}", instance, said(instance)
            )

    def deleted(sender: type[models.Model], instance: models.Model, **_: Any) -> None:
        _publish(topic, origin, f"{label}.deleted", instance, said(instance))

    post_save.connect(saved, sender=model, weak=False, dispatch_uid=f"outbox {label} {topic} saved")
    post_delete.connect(deleted, sender=model, weak=False, dispatch_uid=f"outbox {label} {topic} deleted")


def _fields(instance: models.Model) -> dict[str, Any]:
    return {"id": instance.pk, **model_to_dict(instance)}


def _publish(topic: str, source: str, type: str, instance: models.Model, data: Mapping[str, Any]) -> None:
    event = CloudEvent(
        id=str(uuid.uuid4()),
        source=source,
        type=type,
        time=rfc3339(timezone.now()),
        subject=str(instance.pk),
        data=orjson.dumps(data, default=str, option=orjson.OPT_NON_STR_KEYS),
    )
    with transaction.atomic():  # a failing insert must not leave half a transaction behind
        publish(topic, event, key=str(instance.pk))


def as_json(headers: Iterable[tuple[str, bytes | None]]) -> list[list[str | None]]:
    """
    >>> as_json([("a", b"1"), ("b", None)])
    [['a', 'MQ=='], ['b', None]]
    """
    return [[name, None if value is None else base64.b64encode(value).decode()] for name, value in headers]


def from_json(headers: Iterable[tuple[str, str | None]]) -> Headers:
    """
    >>> from_json([["a", "MQ=="], ["b", None]])
    [('a', b'1'), ('b', None)]
    """
    return [(name, None if value is None else base64.b64decode(value)) for name, value in headers]
