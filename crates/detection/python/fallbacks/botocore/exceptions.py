"""The exceptions that content catches."""


class BotoCoreError(Exception):
    """Any error of the SDK itself."""


class NoCredentialsError(BotoCoreError):
    """There are no credentials."""


class ClientError(Exception):
    """A service answered with an error."""

    def __init__(self, error_response, operation_name):
        details = error_response.get("Error", {})
        code, message = details.get("Code", "Unknown"), details.get("Message", "Unknown")
        super().__init__(f"An error occurred ({code}) when calling the {operation_name} operation: {message}")
        self.response = error_response
        self.operation_name = operation_name
