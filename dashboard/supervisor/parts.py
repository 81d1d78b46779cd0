"""What Streamlab is made of on one machine, and how each part is started."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Part:
    """One process that the supervisor keeps running."""

    name: str
    about: str  # a few words for the terminal
    command: tuple[str, ...]
    vital: bool = False  # a start that fails again and again ends everything


@dataclass(frozen=True)
class Plan:
    """How this run was asked for."""

    directory: Path  # var
    host: str
    port: int
    demo: bool
    data_url: str | None  # None: the server inside
    control_url: str | None  # None: beside the data
    host_header: str = "localhost"  # one of ALLOWED_HOSTS

    @property
    def address(self) -> str:
        host = "127.0.0.1" if self.host in ("0.0.0.0", "::", "") else self.host  # noqa: S104 - only compared
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


def parts_of(plan: Plan) -> list[Part]:
    """All parts but the server, in the order in which they start."""
    python = sys.executable
    celery = (python, "-m", "celery", "-A", "dashboard.config", "--quiet")
    parts = [
        Part("web", f"pages on {plan.address}", (python, "-m", *_uvicorn(plan)), vital=True),
        Part(
            "worker",
            "runs operators' jobs",
            (
                *celery,
                "worker",
                "-P",
                "threads",
                "-c",
                "8",  # jobs mostly wait; with few of them one long replay would keep the heartbeat waiting
                "-l",
                "INFO",
                "--without-gossip",
                "--without-mingle",
            ),
        ),
        Part("beat", "calls for what is due", (*celery, "beat", "-S", "celery.beat.Scheduler", "-l", "INFO")),
        Part("sampler", "measures once a second", (python, "-m", "streamlab", "sampler")),
        Part("projector", "brings history into the database", (python, "manage.py", "project")),
        Part("alerts", "judges rules and tells who wants to know", (python, "manage.py", "watch_alerts")),
    ]
    if plan.demo:
        parts.append(Part("shop", "a simulated shop as the load", (python, "-m", "streamlab", "shop")))
        parts.append(Part("lab", "runs scenarios when asked to", (python, "-m", "streamlab", "lab", "run")))
    return parts


def _uvicorn(plan: Plan) -> tuple[str, ...]:
    """The flags and why: sizes and queues bounded, so that a slow client costs memory that can be counted;
    a deadline for the stop, since an open WebSocket would hold it for ever; no Server header."""
    flags = {
        "--host": plan.host,
        "--port": str(plan.port),
        "--ws": "websockets-sansio",
        "--ws-max-size": "65536",
        "--ws-max-queue": "16",
        "--ws-ping-interval": "20",
        "--ws-ping-timeout": "20",
        "--ws-per-message-deflate": "false",  # frames come packed, once for all
        "--timeout-graceful-shutdown": "4",
        "--limit-concurrency": os.environ.get("STREAMLAB_WEB_CONCURRENCY", "1000"),
        "--forwarded-allow-ips": os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1"),
        "--lifespan": "off",
        "--log-level": "info",
    }
    switches = ("--no-server-header", "--no-access-log", "--proxy-headers")
    words = (word for pair in flags.items() for word in pair)
    return ("uvicorn", "dashboard.config.asgi:application", *words, *switches)


def environment(plan: Plan, data_url: str, control_url: str, base: Mapping[str, str]) -> dict[str, str]:
    """What every part finds in its environment."""
    return {
        **base,
        "DJANGO_SETTINGS_MODULE": base.get("DJANGO_SETTINGS_MODULE", "dashboard.config.settings"),
        "STREAMLAB_VAR": str(plan.directory),
        "STREAMLAB_URL": data_url,
        "REDIS_URL": control_url,
        "STREAMLAB_STATIC": "collected",
        "PYTHONUNBUFFERED": "1",
    }
