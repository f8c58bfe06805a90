from uncia_aws import account, actor, context, succeeded


def rule(event):
    if event.get("eventSource") != "iam.amazonaws.com" or not succeeded(event):
        return False
    if event.get("eventName") not in ("CreateLoginProfile", "UpdateLoginProfile"):
        return False
    # Without a user name the call is about the caller's own password.
    target = event.deep_get("requestParameters", "userName")
    return bool(target) and target != event.deep_get("userIdentity", "userName")


def title(event):
    target = event.deep_get("requestParameters", "userName")
    return f"AWS: {actor(event)} set a console password for user {target} in {account(event)}"


def dedup(event):
    return f"{account(event)}:{event.deep_get('requestParameters', 'userName')}"


def alert_context(event):
    return context(event)
