"""What must be in order before the first part starts."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import Error as DatabaseError
from django.db import connection

from dashboard.access import signin_link
from dashboard.supervisor.problem import Problem
from streamlab.broker import Broker
from streamlab.errors import ServerBusyError, StreamlabError
from streamlab.processes import dies_with_parent


def make_directories(directory: Path) -> None:
    try:
        for path in (directory, directory / "log"):
            path.mkdir(parents=True, exist_ok=True)
        probe = directory / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Problem(f"{directory} can't be written: {error.strerror}.") from error


def port_number(text: str) -> int:
    """Raises Problem for what is none: words, and 0 too, since nobody could be told where it listens.

    >>> port_number("8000")
    8000
    """
    try:
        port = int(text)
    except ValueError:
        port = 0
    if not 1 <= port <= 65535:
        raise Problem(f"{text} is no port; it must be between 1 and 65535.")
    return port


def check_server(name: str, url: str) -> None:
    """Raises Problem when no server answers at the URL that the variable `name` holds."""
    try:
        with Broker(url) as broker:
            broker.connection.server_time_ms()
    except ServerBusyError:
        pass  # it reads its data back; the parts wait for it
    except (StreamlabError, ValueError) as error:
        raise Problem(f"{name} leads nowhere: {error} Start that server, or unset {name}.") from error


def check_port(host: str, port: int) -> None:
    """Raises Problem when nothing could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            if error.errno == 98 or "in use" in str(error):
                raise Problem(
                    f"Port {port} is in use; choose another one, for example PORT={port + 1}."
                ) from error
            raise Problem(f"Port {port} on {host} can't be opened: {error.strerror}.") from error


def migrate() -> None:
    try:
        call_command("migrate", interactive=False, verbosity=0)
    except DatabaseError as error:
        raise Problem(f"The database {connection.settings_dict['NAME']} can't be used: {error}.") from error
    finally:
        connection.close()  # a connection is not to be carried into children


def fresh_signin_path() -> str:
    try:
        return signin_link.path_of(signin_link.create(signin_link.first_user()))
    finally:
        connection.close()


def collect_static(root: Path, base: Path, env: Mapping[str, str], stopping: Callable[[], bool]) -> None:
    """Copy, hash and compress the static files if any changed. Gives up, half done, when `stopping()`."""
    stamp, digest = root / ".stamp", _static_digest()
    if stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    collecting = subprocess.Popen(
        [sys.executable, "manage.py", "collectstatic", "--noinput", "--clear", "--verbosity", "0"],
        cwd=base,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=dies_with_parent(signal.SIGKILL),
    )
    with collecting:
        while True:
            try:
                _, said = collecting.communicate(timeout=0.1)
                break
            except subprocess.TimeoutExpired:
                if stopping():
                    collecting.kill()
                    return
    if collecting.returncode != 0:
        last = (said.strip().splitlines() or ["it did not say why"])[-1]
        raise Problem(f"The static files can't be collected: {last}")
    stamp.write_text(digest)


def _static_digest() -> str:
    """Changes when a static file is added, removed or touched."""
    digest = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list(["CVS", ".*", "*~"]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
