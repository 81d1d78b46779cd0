"""The dashboard as a real uvicorn process on a broker and a database of the test's own."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

from tests.streamlab_up import ROOT, free_port
from tests.waiting import until


class WebServer:
    """One web process; `stop()` it at the end."""

    def __init__(self, var: Path, broker_url: str):
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **{
                name: value for name, value in os.environ.items() if name not in ("REDIS_URL", "DATABASE_URL")
            },
            "STREAMLAB_VAR": str(var),
            "STREAMLAB_URL": broker_url,
            "DJANGO_SETTINGS_MODULE": "dashboard.config.settings",
        }
        self._said = var / "web.log"
        self.manage("migrate", "-v", "0")
        with self._said.open("w") as said:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "uvicorn", "dashboard.config.asgi:application", "--host", "127.0.0.1",
                    "--port", str(self.port), "--lifespan", "off", "--no-server-header", "--no-access-log",
                ],
                cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            )  # fmt: skip
        until(self._answers, 60, "the web process answers")

    def manage(self, *arguments: str) -> str:
        """What `manage.py` with these arguments writes."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self._environment, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def token(self, *scopes: str) -> str:
        return self.manage("api_token", "create", *(word for scope in scopes for word in ("--scope", scope)))

    def _answers(self) -> bool:
        assert self.process.poll() is None, self._said.read_text()
        try:
            with urllib.request.urlopen(f"{self.address}/sign-in/", timeout=5) as reply:
                return bool(reply.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
