from collections.abc import Iterator

import hypothesis
import pytest
import torch

from tests.fake_gpu import fake_gpu

# Shared cores make any deadline a coin toss; a derandomized search fails the same way twice.
hypothesis.settings.register_profile("ganst", deadline=None, derandomize=True, max_examples=30)
hypothesis.settings.load_profile("ganst")


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(params=[pytest.param("real", marks=pytest.mark.gpu), "fake"])
def gpu(request: pytest.FixtureRequest) -> Iterator[None]:
    """Where there is none, a fake one: it checks devices, and no kernel and no precision."""
    if request.param == "real":
        yield
    else:
        with fake_gpu():
            yield


@pytest.fixture(autouse=True)
def _first_weights() -> None:
    """The constructors of layers take no generator: with this, weights do not hang on the tests before."""
    torch.random.default_generator.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Tests marked `gpu` need what the others do without."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
