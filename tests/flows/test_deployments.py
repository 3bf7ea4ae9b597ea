"""prefect.yaml and automations.yaml say what Prefect and our flows understand."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.automations import Automation
from prefect.events import DeploymentEventTrigger, Resource, ResourceSpecification
from prefect.flows import load_flow_from_entrypoint

from flows.publish import resource

ROOT = Path(__file__).parents[2]


def _deployments() -> dict[str, dict[str, Any]]:
    parsed = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))
    return {deployment["name"]: deployment for deployment in parsed["deployments"]}


@pytest.mark.parametrize("name", sorted(_deployments()))
def test_every_deployment_names_a_flow_that_takes_its_parameters(name, monkeypatch):
    monkeypatch.chdir(ROOT)
    deployment = _deployments()[name]
    flow = load_flow_from_entrypoint(deployment["entrypoint"])
    given = dict(deployment.get("parameters", {}))
    for trigger in deployment.get("triggers", []):
        given |= trigger["parameters"]
    required = {
        parameter.name
        for parameter in inspect.signature(flow.fn).parameters.values()
        if parameter.default is inspect.Parameter.empty
    }
    if name == "train":  # what it trains is said when it is started
        given["request"] = {"style": "new", "photos": "photos", "paintings": "paintings"}
    assert required <= given.keys()
    flow.validate_parameters(given)


def test_the_nightly_deployment_is_scheduled_and_never_runs_twice_at_once():
    nightly = _deployments()["nightly"]
    assert nightly["schedules"][0]["cron"]
    assert nightly["concurrency_limit"] == {"limit": 1, "collision_strategy": "CANCEL_NEW"}


def test_the_correct_deployment_listens_for_the_event_that_a_run_emits():
    (written,) = _deployments()["on-flagged"]["triggers"]
    trigger = DeploymentEventTrigger.model_validate(written)
    assert trigger.expect == {"ganst.score.flagged"}
    wanted = ResourceSpecification.model_validate(written["match"])
    assert wanted.matches(Resource.model_validate(resource("/runs/any")))


def test_the_automations_are_valid():
    parsed = yaml.safe_load((ROOT / "automations.yaml").read_text(encoding="utf-8"))
    (zombies,) = [Automation.model_validate(written) for written in parsed["automations"]]
    assert zombies.name == "crash-zombie-runs"
