"""A flow called from the command line, with a server of its own where none is configured."""

from collections.abc import Callable
from typing import TypeVar

from flows.settings import keep_prefect_quiet, set_prefect_defaults

T = TypeVar("T")


def through_prefect(check: Callable[[], None], call: Callable[[], T]) -> T:
    """`check`, then `call` a flow; the server starts while `check` does its slow imports.

    `call` is to import its flow: Prefect takes its settings from the environment at import.
    """
    set_prefect_defaults()
    keep_prefect_quiet()
    from flows.embedded import prefect_api

    with prefect_api() as api:
        check()
        with api.ready():
            return call()
