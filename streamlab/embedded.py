"""The server inside: a Redis or Valkey of our own, in a private directory, where nobody else runs one.

What is in the directory (`./var/redis` unless told otherwise, mode 0700):

    appendonlydir/   the data, fsynced every second
    redis.conf       written anew at each start
    redis.sock       the only way in: there is no TCP port
    url              where the running server is, for other processes
    lock             locked by the server process itself, so the lock ends exactly when the server does
    redis.log        what the server says

A start finds the data of the last run, also after a power cut (up to 2 s of it may be missing). A server that
is killed leaves `url` behind, which is why nobody believes it before the server has answered.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .private_socket import remove_temporary, socket_path
from .processes import dies_with_parent
from .server_binary import EmbeddedServerError, find_binary

__all__ = [
    "EmbeddedServer",
    "EmbeddedServerError",
    "default_directory",
    "is_kept_here",
    "url_of_running_or_start",
]

SETTINGS = {
    "port": "0",
    "protected-mode": "yes",
    "unixsocketperm": "700",
    "databases": "4",
    "save": "",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "aof-load-truncated": "yes",
    "maxmemory-policy": "noeviction",
    "daemonize": "no",
    "always-show-logo": "no",
}
_LOAD_TIMEOUT_S = 600.0  # reading back a large log takes its time, and the server says that it does
_LOCK_TIMEOUT_S = 3.0  # a server that was just killed is gone within that


class EmbeddedServer:
    """One server on one directory. `with EmbeddedServer(path) as server: connect(server.url)`."""

    def __init__(
        self,
        directory: Path | str,
        *,
        settings: Mapping[str, str] | None = None,
        log: Path | str | None = None,
        binary: Path | None = None,
    ):
        """`settings` are lines of redis.conf that go over ours; `log` is where the server's words go."""
        self.directory = Path(directory).absolute()
        self.settings = {**SETTINGS, **(settings or {})}
        self.log = Path(log) if log else self.directory / "redis.log"
        self.url: str | None = None  # None: not started
        self._binary = binary
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: Path | None = None
        self._log_start = 0  # where in the log this run begins

    def start(self) -> str:
        """Start the server, wait until it has read its data back, and say its URL.

        Raises EmbeddedServerError, in one sentence, when that can't be.
        """
        url = self.launch()
        deadline = time.monotonic() + _LOAD_TIMEOUT_S
        try:
            while not self.ready():
                if time.monotonic() > deadline:
                    raise EmbeddedServerError(
                        f"The server in {self.directory} did not answer; see {self.log}."
                    )
                time.sleep(0.02)
        except BaseException:
            self.stop()
            raise
        return url

    def launch(self) -> str:
        """Start the server and say its URL, where it will answer once `ready()`.

        A server that ended may be launched again, and comes back under the same URL on the same data.
        Raises EmbeddedServerError as `start`.
        """
        binary = self._binary or find_binary()
        self._make_directory()
        lock = self._take_lock()
        try:
            self._choose_socket()
            self._write_configuration()
            self._log_start = self.log.stat().st_size if self.log.exists() else 0
            self._process = self._spawn(binary, lock)
        except OSError as error:
            raise EmbeddedServerError(f"{self.directory} can't be written: {error.strerror}.") from error
        finally:
            os.close(lock)  # the server has it now
        self.url = f"unix://{self._socket}"
        _write(self.directory / "url", self.url + "\n")
        return self.url

    def ready(self) -> bool:
        """Whether it has read its data back and answers. Raises EmbeddedServerError when it has ended."""
        assert self._process is not None and self.url is not None, "not launched"
        if _answers(self.url, loading_counts=False):
            return True
        if self._process.poll() is not None:
            with self.log.open("rb") as log:
                log.seek(self._log_start)
                said = log.read().decode(errors="replace")
            raise EmbeddedServerError(explain(said, self.directory, self.log))
        return False

    def stop(self, timeout_s: float = 8.0) -> None:
        """Write everything down and end. Past the deadline the server is killed: a second is lost at most."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._ask_to_shut_down()
            self._wait_or_kill(timeout_s)
        self._forget()

    def poll(self) -> int | None:
        """None while the server runs, else how it ended: as `subprocess.Popen.poll`."""
        return None if self._process is None else self._process.poll()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @staticmethod
    def running_url(directory: Path | str) -> str | None:
        """The URL of the server that runs on this directory, whoever started it; None when none answers."""
        try:
            url = (Path(directory).absolute() / "url").read_text().strip()
        except OSError:
            return None
        return url if url and _answers(url) else None

    def __enter__(self) -> EmbeddedServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # The steps of a start

    def _make_directory(self) -> None:
        try:
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self.directory.chmod(0o700)
            self.log.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise EmbeddedServerError(f"{self.directory} can't be written: {error.strerror}.") from error

    def _take_lock(self) -> int:
        """An open, locked file; the lock stays as long as any process has it open."""
        try:
            lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EmbeddedServerError(f"{self.directory} can't be written: {error.strerror}.") from error
        deadline = time.monotonic() + _LOCK_TIMEOUT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except OSError:
                in_use = self.running_url(self.directory) is not None
                if in_use or time.monotonic() > deadline:
                    os.close(lock)
                    raise EmbeddedServerError(
                        f"{self.directory} is in use by another server{self._other_pid()}; stop that first."
                    ) from None
                time.sleep(0.05)

    def _other_pid(self) -> str:
        try:
            return f" (process {int((self.directory / 'redis.pid').read_text())})"
        except (OSError, ValueError):
            return ""

    def _choose_socket(self) -> None:
        """Where this object's server was before; else a new place, instead of what a killed one left."""
        if self._socket is None:
            self._remove_old_socket()
            self._socket = socket_path(self.directory)
        self._socket.parent.mkdir(mode=0o700, exist_ok=True)

    def _remove_old_socket(self) -> None:
        try:
            old = Path(urlsplit((self.directory / "url").read_text().strip()).path)
        except OSError:
            return
        remove_temporary(old)

    def _write_configuration(self) -> None:
        places = {
            "unixsocket": str(self._socket),
            "dir": str(self.directory),
            "pidfile": str(self.directory / "redis.pid"),
        }
        lines = [f"{name} {_quoted(value)}" for name, value in {**self.settings, **places}.items()]
        _write(self.directory / "redis.conf", "\n".join(lines) + "\n")

    def _spawn(self, binary: Path, lock: int) -> subprocess.Popen[bytes]:
        # The system counts a child as orphaned when the *thread* that started it ends, so only the main
        # thread may ask for that.
        in_main_thread = threading.current_thread() is threading.main_thread()
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [binary, self.directory / "redis.conf"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C is for us; we stop the server when its users are gone
                preexec_fn=dies_with_parent(signal.SIGTERM) if in_main_thread else None,
            )

    # The steps of a stop

    def _ask_to_shut_down(self) -> None:
        assert self._process is not None and self.url is not None
        try:
            with _client(self.url) as client:
                client.shutdown()
        except redis.RedisError:
            self._process.terminate()

    def _wait_or_kill(self, timeout_s: float) -> None:
        assert self._process is not None
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _forget(self) -> None:
        (self.directory / "url").unlink(missing_ok=True)
        if self._socket:
            remove_temporary(self._socket)
        self._process = self.url = self._socket = None


def default_directory() -> Path:
    """Where the embedded server lives: `redis` in STREAMLAB_VAR, which is `./var` when unset."""
    return Path(os.environ.get("STREAMLAB_VAR") or "var").absolute() / "redis"


_start_lock = threading.Lock()
_own: dict[
    int, EmbeddedServer
] = {}  # by the process that started it: a fork does not own its parent's server


def url_of_running_or_start() -> str:
    """The URL of the server in `default_directory()`: one that runs, else one that ends with this process.

    Raises EmbeddedServerError when there is none and none can be started.
    """
    directory = default_directory()
    with _start_lock:
        if url := EmbeddedServer.running_url(directory):
            _await(url)
            return url
        server = EmbeddedServer(directory)
        try:
            url = server.start()
        except EmbeddedServerError:
            # Another process may have been faster by a moment; then its server is as good as ours.
            if url := EmbeddedServer.running_url(directory):
                _await(url)
                return url
            raise
        _own[os.getpid()] = server
        atexit.register(_stop_own)
        print(
            f"Streamlab started a server of its own in {directory}; set STREAMLAB_URL for another one.",
            file=sys.stderr,
        )
        return url


def is_kept_here() -> bool:
    """Whether `default_directory()` holds data of a server, or one runs there. Leaves no trace."""
    directory = default_directory()
    return (directory / "appendonlydir").exists() or EmbeddedServer.running_url(directory) is not None


def _await(url: str) -> None:
    """Until somebody else's server has read its data back, or is gone."""
    deadline = time.monotonic() + _LOAD_TIMEOUT_S
    while not _answers(url, loading_counts=False) and _answers(url) and time.monotonic() < deadline:
        time.sleep(0.05)


def _stop_own() -> None:
    if server := _own.pop(os.getpid(), None):
        server.stop()


def explain(said: str, directory: Path, log: Path) -> str:
    """Why a server ended at its start, in one sentence, from what it wrote.

    >>> explain("# Bad file format reading the append only file x: make a backup", Path("d"), Path("d/l"))
    'The data in d is damaged; copy it and run redis-check-aof --fix on d/appendonlydir, or move it away.'
    """
    if "Bad file format" in said or "AOF file" in said or "append only file" in said:
        return (
            f"The data in {directory} is damaged; copy it and run redis-check-aof --fix on "
            f"{directory}/appendonlydir, or move it away."
        )
    if "RDB format version" in said:
        return (
            f"The data in {directory} was written by a newer server; install that version, or move it away."
        )
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "it said nothing")
    return f"The server in {directory} ended at its start ({last}); see {log}."


def _client(url: str, timeout_s: float = 1.0) -> redis.Redis:
    return redis.Redis.from_url(
        url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry=Retry(NoBackoff(), 0)
    )


def _answers(url: str, *, loading_counts: bool = True) -> bool:
    try:
        with _client(url) as client:
            return bool(client.ping())
    except redis.BusyLoadingError:
        return loading_counts
    except (redis.RedisError, ValueError):
        return False


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _write(path: Path, content: str) -> None:
    """Whole or not at all, for our eyes only."""
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.touch(mode=0o600)
    aside.write_text(content)
    aside.replace(path)
