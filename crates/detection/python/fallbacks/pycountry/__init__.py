"""Stands in for pycountry: countries by code or name."""
