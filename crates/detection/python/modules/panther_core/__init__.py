"""The event API that content imports; the classes themselves are native."""

from _uncia import PantherEvent

from panther_core import enriched_event, exceptions, immutable

__all__ = ["PantherEvent", "enriched_event", "exceptions", "immutable"]
