"""Losses, augmentation, averaging and the training loop."""
