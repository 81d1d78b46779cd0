"""The shell: `streamlab NOUN [VERB] [NAME] [--options]`.

One module a noun. Each imports the core only when it runs, so that `--help` answers at once.

Exit codes: 0 done; 1 failed, and one sentence on stderr says why and what to do; 2 asked wrongly; 130 interrupted by
Ctrl-C. A command that runs until Ctrl-C (consume, sampler, top, ...) is done then. Whoever closes our output, as in
`| head`, has seen enough: that is no failure.
"""

from __future__ import annotations

import os
import select
import sys

OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit. An expected error is a sentence; with --debug it is a traceback as well."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    _have_somewhere_to_write()
    debug = _take_flag(arguments, "--debug") or bool(os.environ.get("STREAMLAB_DEBUG"))
    from .app import app

    try:
        app(arguments, prog_name="streamlab")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        close_stdout()
        sys.exit(OK)
    except Exception as error:
        from ..errors import StreamlabError

        if not isinstance(error, (StreamlabError, OSError)) and type(error).__name__ != "EmbeddedServerError":
            raise
        if debug:
            raise
        _say(f"streamlab: {error}{_advice(error)}")
        sys.exit(USAGE if _was_asked_wrongly(error) else FAILED)


def _have_somewhere_to_write() -> None:
    """Python has no stdout where the shell closed it (`>&-`)."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115  # for as long as we run
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115


def _say(sentence: str) -> None:
    try:
        print(sentence, file=sys.stderr, flush=True)
    except OSError:
        pass  # nobody listens there either


def _was_asked_wrongly(error: Exception) -> bool:
    """Whether the words of the command can never be right, whatever the server holds."""
    from .. import errors

    return isinstance(
        error,
        (
            errors.IllegalArgumentError,
            errors.InvalidConfigurationError,
            errors.InvalidGroupIdError,
            errors.InvalidTopicError,
            errors.KafkaConfigurationError,
        ),
    )


def _advice(error: Exception) -> str:
    """What to do, where the error itself cannot know it."""
    from ..errors import KafkaConnectionError, ServerBusyError

    if isinstance(error, KafkaConnectionError) and not isinstance(error, ServerBusyError):
        return " Check that it runs and that --url or $STREAMLAB_URL is right."
    return ""


def _take_flag(arguments: list[str], flag: str) -> bool:
    """Whether the flag stands anywhere before a `--`; it is removed."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if flag not in options:
        return False
    arguments.remove(flag)
    return True


def reader_has_gone() -> bool:
    """Whether whoever read our output has closed it; asked while there is nothing to write, which would tell."""
    try:
        watch = select.poll()
        watch.register(sys.stdout.fileno(), 0)
        return any(what & (select.POLLERR | select.POLLHUP | select.POLLNVAL) for _, what in watch.poll(0))
    except (AttributeError, OSError, ValueError):
        return False  # no poll() here, or no file behind stdout


def close_stdout() -> None:
    """Python flushes stdout once more at its end, which must not fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
