"""Errors of the event API."""

from _uncia import PantherError

__all__ = ["PantherError"]
