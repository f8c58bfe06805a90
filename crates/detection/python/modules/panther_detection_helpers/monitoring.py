"""Monitoring hooks; the engine measures by itself."""


def wrap(*args, **_options):
    """A decorator that changes nothing, with or without arguments."""
    if len(args) == 1 and callable(args[0]):
        return args[0]
    return lambda function: function
