import pytest

from ganst.training.recipes import recipe
from tests.ganst.training.tiny import CONFIG, tiny_trainer


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("small_presets")
@pytest.mark.parametrize(
    "config", [CONFIG, recipe("cyclegan", crop_px=32, batch_size=2, precision="fp32")]
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of torch._dynamo's own code
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_compiled_networks_train_as_eager_ones(config):
    eager, compiled = tiny_trainer(config), tiny_trainer(config)
    names = [list(network.state_dict()) for network in compiled.objective.networks.values()]
    compiled.compile(backend="aot_eager")
    for progress in (0.5, 0.5):
        expected, told = eager.step(progress), compiled.step(progress)
        assert told == pytest.approx(expected, rel=1e-2)
    networks = compiled.objective.networks.values()
    assert [list(network.state_dict()) for network in networks] == names
