"""`ganst doctor`: whether this machine can do the work, and whether Dask and Prefect answer."""

from typing import Any

from flows.prefect_run import prefect_problem
from flows.settings import ganst_home, set_prefect_defaults, styles_home
from pipelines.config import ComputeConfig
from pipelines.errors import ClusterError


def examine_all(compute: ComputeConfig) -> dict[str, Any]:
    """The machine's facts, then Dask's and Prefect's; `problems` is empty on a healthy one."""
    from pipelines.doctor import examine

    facts = examine(ganst_home(), styles_home())
    facts["dask"], dask_problem = _ask_dask(compute)
    facts["prefect"], prefect_problem = _ask_prefect()
    problems = [problem for problem in (dask_problem, prefect_problem) if problem]
    problems += facts.pop("style_problems")
    if not facts["home_is_writable"]:
        problems.append(f"{facts['home']} cannot be written: set GANST_HOME.")
    if not facts["styles"]:
        problems.append("There is no style: train one with ganst train.")
    return facts | {"problems": problems}


def _ask_dask(compute: ComputeConfig) -> tuple[str, str | None]:
    from pipelines.cluster import count_workers, open_client

    if not compute.scheduler:
        count = count_workers(compute)
        return f"a local cluster of {count} workers is started when it is needed", None
    try:
        with open_client(compute) as client:
            workers = len(client.nthreads()) if client else 0
    except ClusterError as error:
        return "unreachable", str(error)
    return f"{compute.scheduler} answers, {workers} workers with the same code", None


def _ask_prefect() -> tuple[str, str | None]:
    set_prefect_defaults()
    from prefect.settings import PREFECT_API_URL

    url = PREFECT_API_URL.value()
    if not url:
        return "embedded: a server is started for each run (PREFECT_API_URL is not set)", None
    problem = prefect_problem()
    return ("unreachable", problem) if problem else (f"{url} answers", None)
