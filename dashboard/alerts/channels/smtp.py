"""Django's SMTP backend with an end: a mail server that answers a byte now and then holds nobody up."""

from __future__ import annotations

import smtplib
import socket

from django.core.mail.backends import smtp

from .deadline import Deadline

WHOLE_S = 15.0
"""From the first byte to the last one."""


class _Smtp(smtplib.SMTP):
    _deadline: Deadline | None = None

    def _get_socket(self, host: str, port: int, timeout: float) -> socket.socket:
        line: socket.socket = super()._get_socket(host, port, timeout)  # type: ignore[misc]
        self._deadline = Deadline(line, WHOLE_S)
        return line

    def close(self) -> None:
        super().close()
        if self._deadline:
            self._deadline.cancel()


class _SmtpSsl(smtplib.SMTP_SSL, _Smtp):
    """SMTP_SSL wraps the socket that `_Smtp` gives it."""


class EmailBackend(smtp.EmailBackend):
    @property
    def connection_class(self) -> type[smtplib.SMTP]:
        return _SmtpSsl if self.use_ssl else _Smtp
