"""The dashboard on the server that is measured: all its processes, as `make demo` starts them but without a load, and
somebody who is signed in."""

from __future__ import annotations

import http.cookiejar
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from dashboard.supervisor.parts import Plan, parts_of

ROOT = Path(__file__).resolve().parent.parent
START_S = 60.0


class Dashboard:
    """`dashboard()` gives a running one."""

    def __init__(self, folder: Path, broker_url: str):
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._environment = os.environ | {
            "STREAMLAB_VAR": str(folder),
            "STREAMLAB_URL": broker_url,
            "DATABASE_URL": "",
            "DJANGO_SETTINGS_MODULE": "dashboard.config.settings",
        }
        self._log = (folder / "said.log").open("w")
        self._cookies = http.cookiejar.CookieJar()
        self._browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(self._cookies))
        self._manage("migrate", "-v", "0")
        plan = Plan(folder, "127.0.0.1", self.port, demo=False, data_url=broker_url, control_url=None)
        commands = {part.name: part.command for part in parts_of(plan)}
        self.web = self._start(commands.pop("web"))
        self._others = [self._start(command) for command in commands.values()]

    def sign_in(self) -> None:
        path = re.findall(r"/sign-in/\S+", self._manage("signin_link"))[0]
        wait_for(lambda: self._answers("/sign-in/"), "the web process answers")
        page = self.get(path).decode()
        token = re.findall(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)[0]
        form = urllib.parse.urlencode({"csrfmiddlewaretoken": token}).encode()
        request = urllib.request.Request(self.address + path, form, {"Referer": self.address + path})
        self._browser.open(request, timeout=START_S).read()

    def get(self, path: str) -> bytes:
        """The whole answer. Raises URLError."""
        with self._browser.open(self.address + path, timeout=START_S) as answer:
            return bytes(answer.read())

    @property
    def cookie(self) -> str:
        """The header of who is signed in."""
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in self._cookies)

    def cpu_s(self) -> float:
        """What the web process has used so far."""
        fields = Path(f"/proc/{self.web.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        for process in (self.web, *self._others):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._log.close()

    def _answers(self, path: str) -> bool:
        try:
            self.get(path)
        except (urllib.error.URLError, OSError):
            return False
        return True

    def _start(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            cwd=ROOT, env=self._environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log,
        )  # fmt: skip

    def _manage(self, *arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT, env=self._environment, check=True, timeout=120, capture_output=True, text=True,
        ).stdout  # fmt: skip


@contextmanager
def dashboard(broker_url: str) -> Iterator[Dashboard]:
    """Somebody is signed in, nothing is measured yet."""
    with tempfile.TemporaryDirectory(prefix="streamlab-bench-") as folder:
        running = Dashboard(Path(folder), broker_url)
        try:
            running.sign_in()
            yield running
        finally:
            running.stop()


def wait_for(true: Callable[[], object], what: str) -> None:
    """Raises TimeoutError after a minute."""
    deadline = time.monotonic() + START_S
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Not within {START_S:g} s: {what}.")
        time.sleep(0.05)
