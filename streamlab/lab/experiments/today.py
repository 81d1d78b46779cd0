"""Which value of a setting holds now: a result says where today's setting lies among those that were tried."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...configs.applied import concerned
from ...configs.entity import EntityKind, entity
from ...configs.settings import TABLES
from ...connection import Connection
from ...metrics.telemetry import read_states
from .plan import Plan


def in_force(connection: Connection, plan: Plan, stored: Mapping[str, Any]) -> Any:
    """What the entity has of its own, else what most of its running clients have, else the default.

    `stored` is what the entity has of its own. None: there is no limit, or nothing is known. Raises StreamlabError.
    """
    name, who = plan.setting_name, entity(plan.entity)
    if name in stored:
        return stored[name]
    default = TABLES[who.kind][name].default
    if who.kind is not EntityKind.TOPIC:
        clients = concerned(read_states(connection).values(), who, [name])
        held = Counter(client.values[name] for client in clients if client.values.get(name) is not None)
        if held:
            return held.most_common(1)[0][0]
    return None if default == math.inf else default
