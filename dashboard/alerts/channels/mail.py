"""One e-mail, through Django's backend."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from ..notices import lines
from . import smtp
from .answer import Answer

NOT_CONFIGURED = "E-mail is not configured: set EMAIL_HOST."
LATE = "The mail server did not answer in time."
MOST_SUBJECT = 200


def send(addresses: Sequence[str], key: str, body: dict[str, Any]) -> Answer:
    """Mail it once. Its Message-ID is the same at every attempt, so that a mail program may know a repeat for one."""
    if not settings.EMAIL_CONFIGURED:
        return Answer(False, NOT_CONFIGURED, final=True)
    subject = " ".join("".join(c if c.isprintable() else " " for c in body["text"]).split())
    message = EmailMessage(
        subject=subject[:MOST_SUBJECT],
        body="\n".join([body["text"], "", *lines(body)]),
        to=list(addresses),
        headers={"Message-ID": f"<{key}@streamlab>", "Auto-Submitted": "auto-generated"},
    )
    began = time.monotonic()
    try:
        message.send()
    except (smtplib.SMTPException, OSError) as error:
        late = isinstance(error, TimeoutError) or time.monotonic() - began >= smtp.WHOLE_S
        return Answer(False, LATE) if late else _refusal(error)
    return Answer(True, f"Handed to the mail server for {len(addresses)}")


def _refusal(error: Exception) -> Answer:
    match error:
        case smtplib.SMTPRecipientsRefused():
            code = min(code for code, _ in error.recipients.values())
            return Answer(False, f"SMTP {code}: every recipient was refused.", code >= 500)
        case smtplib.SMTPAuthenticationError():
            return Answer(False, f"SMTP {error.smtp_code}: name or password are wrong.")
        case smtplib.SMTPResponseException(smtp_code=code) if code > 0:
            text = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else ""
            return Answer(False, f"SMTP {code}.", 500 <= code < 600, text[:2_000])
        case smtplib.SMTPServerDisconnected():
            return Answer(False, "The mail server closed the connection.")
        case smtplib.SMTPException():
            return Answer(False, f"The mail server answered otherwise than SMTP: {type(error).__name__}.")
    reason = error.strerror if isinstance(error, OSError) else None
    return Answer(False, f"The mail server is not there: {reason or 'no connection'}.")
