from uncia_snowflake import user


def rule(event):
    return (
        event.get("EVENT_TYPE") == "LOGIN"
        and event.get("IS_SUCCESS") == "NO"
        # Stands for failures that Snowflake left out; counted by nobody, blamed on no address.
        and event.get("ERROR_MESSAGE") != "OVERFLOW_FAILURE_EVENTS_ELIDED"
        and bool(event.get("CLIENT_IP"))
    )


def title(event):
    return f"Snowflake: repeated failed sign-ins from {event.get('CLIENT_IP')}"


def dedup(event):
    return event.get("CLIENT_IP")


def alert_context(event):
    return {
        "source_ip": event.get("CLIENT_IP"),
        "last_user": user(event),
        "client": event.get("REPORTED_CLIENT_TYPE"),
        "error": event.get("ERROR_MESSAGE"),
    }
