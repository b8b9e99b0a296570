"""Measurements. None of them is part of the package."""
