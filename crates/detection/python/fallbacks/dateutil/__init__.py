"""Stands in for python-dateutil: reading the timestamps that logs hold."""
