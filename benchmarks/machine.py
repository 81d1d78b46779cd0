"""What it was measured on, and whether anything else ran there."""

from __future__ import annotations

import os
import platform
from pathlib import Path

BUSY_SHARE = 0.5
"""Load average per core above which figures are not to be trusted."""


def facts(server_version: str) -> dict[str, str]:
    return {
        "cores": str(os.cpu_count()),
        "CPU": cpu_model(),
        "kernel": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "server": f"{server_version}, unix socket, AOF everysec",
    }


def cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else "unknown"


def load() -> float:
    """Processes that wanted to run, mean of the last minute."""
    return os.getloadavg()[0]


def busy(load_at_start: float) -> bool:
    return load_at_start > BUSY_SHARE * (os.cpu_count() or 1)
