"""The train flow: photos and paintings in, a style pack out."""

import json

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE

from flows.progress import ProgressArtifact
from flows.training import TrainRequest, check_request, train_style


@task(name="train", cache_policy=NO_CACHE, persist_result=False)
def train_task(request: TrainRequest) -> str:
    """Train and save the pack; gives its folder. Not retried: a training run is hours."""
    return str(train_style(request, ProgressArtifact("train")))


@flow(name="train", validate_parameters=True, persist_result=False)
def train(request: TrainRequest) -> str:
    """Train a style and publish its card."""
    check_request(request)
    folder = train_task(request)
    card = json.loads((request.folder / "card.json").read_text())
    text = json.dumps(card, indent=2)
    create_markdown_artifact(
        f"# {request.style}\n\n`{folder}`\n\n```json\n{text}\n```\n", key="ganst-style"
    )
    return folder
