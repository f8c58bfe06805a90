"""Stands in for the AWS SDK, which content imports and never calls on events: workers have no network."""


def _unavailable(what):
    from botocore.exceptions import NoCredentialsError

    raise NoCredentialsError(f"boto3.{what}: detections have no network; install boto3 and mock it in tests")


def client(*_arguments, **_options):
    """Always fails as an SDK without credentials does."""
    _unavailable("client")


def resource(*_arguments, **_options):
    """Always fails as an SDK without credentials does."""
    _unavailable("resource")


class Session:
    """A session whose clients fail."""

    def __init__(self, *_arguments, **_options):
        self.client = client
        self.resource = resource
