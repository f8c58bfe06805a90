"""Stands in for the AWS SDK's core: its exceptions only."""
