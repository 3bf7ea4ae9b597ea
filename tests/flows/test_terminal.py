from flows.terminal import line_of
from pipelines.progress import Progress


def told(done: int, elapsed_s: float, **fields: str) -> str:
    return line_of(
        Progress(stage="video", done=done, total=100, rejected=0, elapsed_s=elapsed_s, **fields)
    )


def test_a_line_names_what_the_stage_counts():
    assert told(50, 20.0) == "video 50/100, 2.5 images/s, 20 s left"
    assert told(50, 20.0, unit="frames") == "video 50/100, 2.5 frames/s, 20 s left"


def test_what_is_slow_has_a_speed_too():
    assert told(1, 40.0, unit="shots") == "video 1/100, 0.025 shots/s, 3960 s left"


def test_before_the_first_there_is_no_speed():
    assert told(0, 3.0) == "video 0/100"
