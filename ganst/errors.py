"""What a caller may want to handle, one sentence each."""


class StylePackError(ValueError):
    """A style pack cannot be used: a file is missing, damaged or of another kind."""


class TrainingError(RuntimeError):
    """Training cannot go on."""


class WeightsError(ValueError):
    """Weights from elsewhere cannot be used; the sentence continues "FILE cannot be imported:"."""


class ExportError(RuntimeError):
    """An exported style does not compute what the style does."""


class CheckpointError(TrainingError):
    """A training checkpoint cannot be read, written, or gone on with."""
