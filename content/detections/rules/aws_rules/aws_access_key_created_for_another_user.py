from uncia_aws import account, actor, context, succeeded


def rule(event):
    if event.get("eventSource") != "iam.amazonaws.com" or event.get("eventName") != "CreateAccessKey":
        return False
    if not succeeded(event):
        return False
    owner = event.deep_get("responseElements", "accessKey", "userName") or event.deep_get(
        "requestParameters", "userName"
    )
    return bool(owner) and owner != event.deep_get("userIdentity", "userName")


def title(event):
    owner = event.deep_get("requestParameters", "userName", default="another user")
    return f"AWS: {actor(event)} created an access key for {owner} in {account(event)}"


def alert_context(event):
    found = context(event)
    found["new_access_key"] = event.deep_get("responseElements", "accessKey", "accessKeyId")
    return found
