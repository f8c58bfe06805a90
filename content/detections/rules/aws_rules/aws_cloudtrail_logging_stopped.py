from uncia_aws import account, actor, context, succeeded

# Each of these leaves calls unrecorded.
SILENCING = {"StopLogging", "DeleteTrail", "DeleteEventDataStore", "StopEventDataStoreIngestion"}


def _blinds(event):
    """Whether a trail's selectors leave it without management events."""
    selectors = event.deep_get("requestParameters", "eventSelectors", default=[])
    return bool(selectors) and not any(each.get("includeManagementEvents", True) for each in selectors)


def rule(event):
    if event.get("eventSource") != "cloudtrail.amazonaws.com" or not succeeded(event):
        return False
    if event.get("eventName") == "PutEventSelectors":
        return _blinds(event)
    return event.get("eventName") in SILENCING


def title(event):
    return f"AWS: {actor(event)} silenced CloudTrail in {account(event)} ({event.get('eventName')})"


def dedup(event):
    request = event.get("requestParameters") or {}
    return f"{account(event)}:{request.get('name') or request.get('trailName')}"


def alert_context(event):
    return context(event)
