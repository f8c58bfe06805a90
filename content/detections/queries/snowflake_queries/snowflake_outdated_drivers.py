import re

# Least supported versions by the name that a client gives of itself.
MINIMUM = {
    ".NET": (2, 2, 0),
    "GO": (1, 11, 2),
    "JAVASCRIPT": (1, 14, 0),
    "JDBC": (3, 19, 1),
    "ODBC": (3, 2, 0),
    "PYTHONCONNECTOR": (3, 12, 3),
    "SNOWSQL": (1, 4, 0),
}
CLIENT = re.compile(r"(?P<name>\.?[A-Za-z]+)\s+v?(?P<version>\d+(?:\.\d+){0,3})")


def _client(event):
    return CLIENT.match((event.get("client_application_id") or "").strip())


def rule(event):
    client = _client(event)
    if client is None or client["name"].upper() not in MINIMUM:
        return False
    return tuple(int(part) for part in client["version"].split(".")) < MINIMUM[client["name"].upper()]


def title(event):
    return f"Snowflake: unsupported driver {event.get('client_application_id')} in use"


def alert_context(event):
    return event.to_dict()
