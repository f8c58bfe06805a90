from uncia_snowflake import login_context, user
from uncia_snowflake_campaigns import CAMPAIGN_OF, is_fresh


def rule(event):
    return event.get("EVENT_TYPE") == "LOGIN" and event.get("CLIENT_IP") in CAMPAIGN_OF


def title(event):
    campaign = CAMPAIGN_OF[event.get("CLIENT_IP")]
    done = "signed in" if event.get("IS_SUCCESS") == "YES" else "tried to sign in"
    return f"Snowflake: {user(event)} {done} from {event.get('CLIENT_IP')}, known from {campaign['name']}"


def severity(event):
    fresh = is_fresh(CAMPAIGN_OF[event.get("CLIENT_IP")], event.get("p_event_time"))
    return "DEFAULT" if fresh and event.get("IS_SUCCESS") == "YES" else "LOW"


def dedup(event):
    return f"{user(event)}:{event.get('CLIENT_IP')}:{event.get('IS_SUCCESS')}"


def alert_context(event):
    campaign = CAMPAIGN_OF[event.get("CLIENT_IP")]
    return {**login_context(event), "campaign": campaign["name"], "published": campaign["reference"]}
