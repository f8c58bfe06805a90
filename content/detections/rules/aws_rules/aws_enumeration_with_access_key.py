from uncia_aws import account, actor, context

READING = ("List", "Describe", "Get")


def rule(event):
    identity = event.get("userIdentity") or {}
    # Long-lived keys only: people and services who browse the account do it with temporary credentials.
    if not (identity.get("accessKeyId") or "").startswith("AKIA") or identity.get("invokedBy"):
        return False
    # Data events (objects read from a bucket) are work, not a look around.
    if event.get("managementEvent") is False or event.get("eventCategory") == "Data":
        return False
    return (event.get("eventName") or "").startswith(READING)


def unique(event):
    return f"{event.get('eventSource')}:{event.get('eventName')}"


def dedup(event):
    return f"{event.deep_get('userIdentity', 'accessKeyId')}:{event.get('sourceIPAddress')}"


def title(event):
    return (
        f"AWS: access key of {actor(event)} looked around account {account(event)} "
        f"from {event.get('sourceIPAddress')}"
    )


def alert_context(event):
    return context(event)
