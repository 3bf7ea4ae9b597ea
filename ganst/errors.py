"""What a caller may want to handle, one sentence each."""


class StylePackError(ValueError):
    """A style pack cannot be used: a file is missing, damaged or of another kind."""


class TrainingError(RuntimeError):
    """Training cannot go on."""


class CheckpointError(TrainingError):
    """A training checkpoint cannot be read, written, or gone on with."""
