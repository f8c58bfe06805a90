def rule(event):
    return bool(event.get("target_region") or event.get("target_cloud"))


def title(event):
    place = f"{event.get('target_cloud')} {event.get('target_region')}"
    return f"Snowflake: data of account {event.get('account_name')} went to {place} for the first time ({event.get('transfer_type')})"


def alert_context(event):
    return event.to_dict()
