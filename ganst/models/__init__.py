"""Generators, discriminators, presets and style packs."""
