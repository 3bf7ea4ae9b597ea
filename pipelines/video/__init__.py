"""Clips: what is read, cut, stylized, joined and scored by shots and segments."""
