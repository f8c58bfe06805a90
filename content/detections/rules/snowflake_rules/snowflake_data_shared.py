import re

from uncia_snowflake import NAME, bare, changes, context, shape, user

SHARE = rf"(?P<share>{NAME})"
CREATED = re.compile(rf"CREATE (?:OR REPLACE )?SHARE (?:IF NOT EXISTS )?{SHARE}", re.IGNORECASE)
FILLED = re.compile(rf"GRANT .* TO SHARE {SHARE}", re.IGNORECASE)
OPENED = re.compile(
    rf"ALTER SHARE (?:IF EXISTS )?{SHARE} (?:ADD|SET) ACCOUNTS ?= ?(?P<accounts>[\w$\"., ]+)", re.IGNORECASE
)


def _share(event):
    text = shape(event)
    return OPENED.match(text) or CREATED.match(text) or FILLED.match(text)


def rule(event):
    return changes(event) and _share(event) is not None


def _accounts(event):
    opened = OPENED.match(shape(event))
    if not opened:
        return []
    # Options such as SHARE_RESTRICTIONS may follow the list.
    listed = re.split(r"\s+\w+\s*=", opened["accounts"] + " ")[0]
    return [account.strip() for account in listed.split(",") if account.strip()]


def title(event):
    share = bare(_share(event)["share"])
    accounts = _accounts(event)
    if accounts:
        return f"Snowflake: {user(event)} opened share {share} to {', '.join(accounts)}"
    return f"Snowflake: {user(event)} prepared share {share}"


def severity(event):
    # Only now do data leave the account.
    return "HIGH" if _accounts(event) else "DEFAULT"


def dedup(event):
    opened = "opened" if _accounts(event) else "prepared"
    return f"{user(event)}:{bare(_share(event)['share'])}:{opened}"


def alert_context(event):
    found = context(event)
    found["share"] = bare(_share(event)["share"])
    found["accounts"] = _accounts(event)
    return found
