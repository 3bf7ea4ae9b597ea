import torch

from pipelines.judging import Judge
from pipelines.stylist import WorkerStylist
from tests.pipelines.photo_folders import make_style


def stylist(tmp_path, memory_mb: int = 1000) -> WorkerStylist:
    pack = make_style(tmp_path)
    judge = Judge(
        style_path=str(pack.path),
        style_digest=pack.digest,
        precision="fp32",
        quality=95,
        strength=1.0,
        alpha=0.05,
        memory_mb=memory_mb,
    )
    return WorkerStylist(judge)


def photo() -> torch.Tensor:
    rng = torch.Generator().manual_seed(1)
    return torch.randint(256, (3, 90, 110), generator=rng).to(torch.uint8)


def test_a_copy_of_the_generator_may_be_changed_and_the_style_stays(tmp_path):
    worker, image = stylist(tmp_path), photo()
    before = worker(image, checkpoint="final", precision="fp32")
    copied = worker.generator("final")
    assert torch.equal(worker.run(worker.generator("final"), image), before)
    with torch.no_grad():
        for weight in copied.parameters():
            weight.mul_(0.5)
    assert not torch.equal(worker.run(copied, image), before)
    assert torch.equal(worker(image, checkpoint="final", precision="fp32"), before)


def test_a_strategy_on_an_image_that_does_not_fit_in_memory_has_no_seam(tmp_path):
    image = photo()
    whole, cut = (
        stylist(tmp_path / str(mb), mb)(image, checkpoint="final", precision="fp32").int()
        for mb in (1000, 0)
    )
    assert (whole - cut).abs().max() <= 1
