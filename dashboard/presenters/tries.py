"""Links to the form of an experiment, filled in, from wherever a lever is seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from dashboard.operations.kinds.experiment_form import SWEEPS
from streamlab.lab.loads.load import Load
from streamlab.lab.scenarios import Trial
from streamlab.metrics.telemetry import ClientTelemetry


def try_href(
    entity: str,
    setting: str = "",
    values: Sequence[Any] = (),
    *,
    topic: str = "",
    group: str = "",
    producers: str = "",
    window_s: float | None = None,
) -> str:
    """What is left out is guessed by the form."""
    fields = {
        "entity": entity,
        "setting": setting,
        "values": ",".join(map(str, values)),
        "topic": topic,
        "group": group,
        "producers": producers,
        "window_s": "" if window_s is None else f"{window_s:g}",
    }
    return (
        f"{reverse('experiment-new')}?{urlencode({name: value for name, value in fields.items() if value})}"
    )


def of_client(client: ClientTelemetry) -> dict[str, str]:
    """Setting -> where to try values of it; a member's settings are tried with its whole group."""
    entity = f"group:{client.group}" if client.group else f"client:{client.client_id}"
    return {name: try_href(entity, name) for name in client.values if name in SWEEPS}


def of_trial(trial: Trial, load: Load) -> str:
    return try_href(
        trial.entity(load),
        trial.setting,
        trial.values,
        topic=load.topic_name,
        group=load.group_id,
        producers=load.topic_name,
        window_s=trial.window_s,
    )
