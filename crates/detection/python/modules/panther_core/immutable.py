"""The classes of nested objects and arrays in events."""

from _uncia import ImmutableCaseInsensitiveDict, ImmutableList

__all__ = ["ImmutableCaseInsensitiveDict", "ImmutableList"]
