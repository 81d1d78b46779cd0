"""One e-mail, through Django's backend."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage

from ..notices import lines
from .answer import Answer

NOT_CONFIGURED = "E-mail is not configured: set EMAIL_HOST."
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
    try:
        message.send()
    except smtplib.SMTPRecipientsRefused as error:
        codes = {code for code, _ in error.recipients.values()}
        return Answer(False, f"SMTP {min(codes)}: every recipient was refused.", min(codes) >= 500)
    except smtplib.SMTPAuthenticationError as error:
        return Answer(False, f"SMTP {error.smtp_code}: name or password are wrong.")
    except smtplib.SMTPResponseException as error:
        text = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else ""
        return Answer(False, f"SMTP {error.smtp_code}.", 500 <= error.smtp_code < 600, text[:2_000])
    except smtplib.SMTPException as error:
        return Answer(False, f"The mail server answered otherwise than SMTP: {type(error).__name__}.")
    except TimeoutError:
        return Answer(False, "The mail server did not answer in time.")
    except OSError as error:
        return Answer(False, f"The mail server is not there: {error.strerror or 'no connection'}.")
    return Answer(True, f"Handed to the mail server for {len(addresses)}")
