"""Tells mocks from the real thing."""

from unittest.mock import MagicMock


def is_mock(function):
    """Whether a unit test has replaced this function."""
    return isinstance(function, MagicMock)
