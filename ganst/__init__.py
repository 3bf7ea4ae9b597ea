"""The science of GANST: tensors in, tensors out. Imports nothing of pipelines or flows."""

__version__ = "0.1.0"
