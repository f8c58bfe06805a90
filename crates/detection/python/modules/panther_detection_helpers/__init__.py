"""Helpers that content imports beside the event API."""
