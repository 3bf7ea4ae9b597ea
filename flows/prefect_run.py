"""A flow called from the command line, with a server of its own where none is configured."""

from collections.abc import Callable
from typing import TypeVar

from flows.failures import BadArgumentsError
from flows.settings import keep_prefect_quiet, set_prefect_defaults

T = TypeVar("T")

_TIMEOUT_S = 10.0


def prefect_problem() -> str | None:
    """A sentence if a server is configured that does not answer."""
    import httpx
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        return None
    try:
        httpx.get(f"{url}/health", timeout=_TIMEOUT_S).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return f"no Prefect server answers at {url}: {error}"
    return None


def through_prefect(check: Callable[[], None], call: Callable[[], T]) -> T:
    """`check`, then `call` a flow; the server starts while `check` does its slow imports.

    `call` is to import its flow: Prefect takes its settings from the environment at import.
    """
    set_prefect_defaults()
    keep_prefect_quiet()
    from flows.embedded import prefect_api

    problem = prefect_problem()
    if problem:
        raise BadArgumentsError(problem)
    with prefect_api() as api:
        check()
        with api.ready():
            return call()
