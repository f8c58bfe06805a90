"""Reading CloudTrail events the same way in every rule."""


def succeeded(event):
    """Whether AWS did what was asked: failed calls carry an error code."""
    return not event.get("errorCode")


def actor(event):
    """Who made the call, in the shortest form that is still unique in the account."""
    arn = event.deep_get("userIdentity", "arn", default="")
    if arn:
        return arn.split(":", 5)[-1]
    name = event.deep_get("userIdentity", "userName", default="")
    return name or event.deep_get("userIdentity", "principalId", default="unknown identity")


def account(event):
    return event.get("recipientAccountId") or event.deep_get("userIdentity", "accountId", default="unknown account")


def context(event):
    """What an analyst wants to see first of a CloudTrail event."""
    return {
        "actor": actor(event),
        "account": account(event),
        "region": event.get("awsRegion"),
        "event_name": event.get("eventName"),
        "event_id": event.get("eventID"),
        "source_ip": event.get("sourceIPAddress"),
        "user_agent": event.get("userAgent"),
        "access_key": event.deep_get("userIdentity", "accessKeyId"),
        "request": event.get("requestParameters"),
    }
