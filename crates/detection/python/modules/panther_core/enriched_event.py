"""The event class."""

from _uncia import PantherEvent

__all__ = ["PantherEvent"]
