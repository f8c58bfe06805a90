"""Stands in for policyuniverse: reading resource policies. Actions are expanded and sorted by levels as far as their names tell."""
