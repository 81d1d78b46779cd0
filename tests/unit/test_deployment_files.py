"""The container files can't be run here, so they are read: their shape, and that they agree with the code."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from dashboard.supervisor.parts import Plan, parts_of

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = ("migrate", "web", "worker", "beat", "sampler", "projector", "alerts")


def test_every_part_that_make_demo_starts_has_a_service() -> None:
    assert {"data", "control", "postgres", *OURS} == set(SERVICES)


def test_the_worker_does_as_many_jobs_at_a_time_as_in_make_demo() -> None:
    plan = Plan(ROOT / "var", "127.0.0.1", 8000, demo=False, data_url="redis://data", control_url=None)
    [demo] = [part.command for part in parts_of(plan) if part.name == "worker"]
    ours = SERVICES["worker"]["command"]
    assert [ours[ours.index(flag) + 1] for flag in ["-P", "-c"]] == [
        demo[demo.index(flag) + 1] for flag in ["-P", "-c"]
    ]


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_a_service_says_how_it_is(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_images_are_pinned_to_a_version(name: str) -> None:
    assert re.search(r":\d+\.\d+", SERVICES[name]["image"])


@pytest.mark.parametrize("name", ["data", "control"])
def test_redis_writes_every_command_down_and_evicts_nothing(name: str) -> None:
    command = SERVICES[name]["command"]
    assert command[command.index("--appendonly") + 1] == "yes"
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert SERVICES[name]["volumes"] == [f"{name}:/data"]


def test_nobody_runs_as_root() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    assert re.findall(r"^USER (\S+)", dockerfile, re.MULTILINE) == ["streamlab"]
    assert all(SERVICES[name]["user"] != "root" for name in ("data", "control", "postgres"))


def test_only_the_web_is_published_and_only_on_loopback() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web": ["127.0.0.1:8000:8000"]}


def test_event_data_and_control_are_two_servers() -> None:
    environment = SERVICES["web"]["environment"]
    assert environment["STREAMLAB_URL"] != environment["REDIS_URL"]


def test_volumes_and_dependencies_exist() -> None:
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert {volume.partition(":")[0] for volume in service.get("volumes", [])} <= set(COMPOSE["volumes"])


def test_the_heartbeat_and_the_snapshot_are_looked_for_under_their_names() -> None:
    from dashboard import heartbeat
    from streamlab import keys

    assert heartbeat.KEY in SERVICES["worker"]["healthcheck"]["test"][-1]
    assert f"'{keys.SNAPSHOT}'" in SERVICES["sampler"]["healthcheck"]["test"][-1]


def test_every_variable_that_the_settings_read_is_explained() -> None:
    explained = set(re.findall(r"^#?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    sources = [*(ROOT / "dashboard").rglob("*.py"), *(ROOT / "streamlab").glob("*.py")]
    read = {
        name
        for source in sources
        for name in re.findall(
            r"""(?:env\.(?:text|flag|words)\(|text\(|environ(?:\.get)?[\[(])\s*["']([A-Z_]+)["']""",
            source.read_text(),
        )
    }
    internal = {"DJANGO_SETTINGS_MODULE", "STREAMLAB_STATIC"}
    assert read - internal - explained == set()
    assert {"SECRET_KEY", "STREAMLAB_URL"} <= read
