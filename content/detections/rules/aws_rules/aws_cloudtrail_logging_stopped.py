from uncia_aws import account, actor, context, succeeded

# Each of these leaves calls unrecorded, wholly or in part.
SILENCING = {"StopLogging", "DeleteTrail", "DeleteEventDataStore", "StopEventDataStoreIngestion"}


def rule(event):
    return (
        event.get("eventSource") == "cloudtrail.amazonaws.com"
        and event.get("eventName") in SILENCING
        and succeeded(event)
    )


def title(event):
    return f"AWS: {actor(event)} silenced CloudTrail in {account(event)} ({event.get('eventName')})"


def dedup(event):
    return f"{account(event)}:{event.deep_get('requestParameters', 'name', default='')}"


def alert_context(event):
    return context(event)
