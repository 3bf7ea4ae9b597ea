"""Scores of a stylized image given its source: columns, detector, calibration."""
