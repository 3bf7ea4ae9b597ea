"""What a request to train becomes."""

from pathlib import Path

from flows.training import TrainRequest, train_style


def test_a_style_to_start_from_is_found_by_its_name(in_home: Path, photos: Path, monkeypatch):
    jobs = []
    monkeypatch.setattr("pipelines.train.train", lambda job, _tell: jobs.append(job) or job.out)
    asked = TrainRequest(style="more", photos=photos, paintings=photos, start="tiny")
    assert train_style(asked) == in_home / "styles" / "more"
    assert jobs[0].start == in_home / "styles" / "tiny"
    train_style(asked.model_copy(update={"start": None}))
    assert jobs[1].start is None
