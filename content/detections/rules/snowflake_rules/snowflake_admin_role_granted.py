import re

from uncia_snowflake import ADMIN_ROLES, NAME, bare, changes, context, shape, user

GRANT = re.compile(
    rf'GRANT ROLE "?(?P<role>{"|".join(ADMIN_ROLES)})"? TO (?P<kind>USER|ROLE) (?P<grantee>{NAME})', re.IGNORECASE
)


def rule(event):
    return changes(event) and GRANT.match(shape(event)) is not None


def title(event):
    grant = GRANT.match(shape(event))
    grantee = bare(grant["grantee"])
    return f"Snowflake: {user(event)} granted {grant['role'].upper()} to {grant['kind'].lower()} {grantee}"


def severity(event):
    grant = GRANT.match(shape(event))
    if bare(grant["grantee"]).upper() == user(event).upper():
        return "CRITICAL"
    return "DEFAULT"


def alert_context(event):
    found = context(event)
    grant = GRANT.match(shape(event))
    found["granted_role"] = grant["role"].upper()
    found["grantee"] = bare(grant["grantee"])
    return found
