"""Stands in for policyuniverse: reading resource policies. Expanding actions needs the real package's tables."""
