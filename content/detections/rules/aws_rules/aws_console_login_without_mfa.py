from uncia_aws import account, actor, context


def rule(event):
    if event.get("eventName") != "ConsoleLogin":
        return False
    if event.deep_get("responseElements", "ConsoleLogin") != "Success":
        return False
    # Federated sign-ins prove the second factor to their own provider; AWS reports "No" for all of them.
    if event.deep_get("userIdentity", "type") not in ("IAMUser", "Root"):
        return False
    return event.deep_get("additionalEventData", "MFAUsed") != "Yes"


def title(event):
    return (
        f"AWS: {actor(event)} signed in to the console of {account(event)} without a second factor "
        f"from {event.get('sourceIPAddress')}"
    )


def severity(event):
    if event.deep_get("userIdentity", "type") == "Root":
        return "HIGH"
    return "DEFAULT"


def alert_context(event):
    return context(event)
