"""Exit statuses, and the one sentence for each kind of failure."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

DONE, FAILED, BAD_ARGUMENTS = 0, 1, 2


class BadArgumentsError(Exception):
    """What was asked for cannot be done; nothing was written."""


@contextmanager
def refusing() -> Iterator[None]:
    """In this block nothing has been written yet: what cannot be done is a bad argument."""
    try:
        yield
    except Exception as error:
        sentence, _ = explain(error)
        if sentence is None:
            raise
        raise BadArgumentsError(sentence) from error


def explain(error: Exception) -> tuple[str | None, int]:
    """A sentence for people and the exit status; no sentence means: a bug, show the traceback."""
    if isinstance(error, BadArgumentsError):
        return str(error), BAD_ARGUMENTS
    if "typer" in sys.modules and isinstance(error, _typer_errors()):
        return error.format_message(), BAD_ARGUMENTS  # pyrefly: ignore[missing-attribute]
    if "pydantic" in sys.modules and isinstance(error, _pydantic_errors()):
        return _invalid_values(error), BAD_ARGUMENTS
    if isinstance(error, _expected_errors()):
        return " ".join(str(error).split()) or type(error).__name__, FAILED
    return None, FAILED


def _typer_errors() -> tuple[type[Exception], ...]:
    from typer.exceptions import TyperException

    return (TyperException,)


def _pydantic_errors() -> tuple[type[Exception], ...]:
    from pydantic import ValidationError

    return (ValidationError,)


def _expected_errors() -> tuple[type[Exception], ...]:
    from flows.embedded import EmbeddedServerError
    from pipelines.errors import GanstError

    # The science has its own errors, which pipelines pass through; they are loaded if they occur.
    science = sys.modules.get("ganst.errors")
    names = ("StylePackError", "TrainingError", "WeightsError", "ExportError")
    own = [getattr(science, name) for name in names] if science else []
    styles = sys.modules.get("pipelines.style_folders")
    own += [styles.StyleNotFoundError] if styles else []
    return (GanstError, OSError, EmbeddedServerError, *own)


def _invalid_values(error: Exception) -> str:
    """`--strength 3.0: input should be less than or equal to 1`."""
    sentences = []
    for detail in error.errors():  # pyrefly: ignore[missing-attribute]
        option = "--" + str(detail["loc"][0]).replace("_", "-") if detail["loc"] else ""
        message = detail["msg"].removeprefix("Value error, ")
        value = f" {detail['input']!r}" if option else ""
        sentences.append(f"{option}{value}: {message[0].lower()}{message[1:]}".lstrip(": "))
    return "; ".join(sentences)
