"""Expanding the wildcards of a policy's actions into the well-known ones, and listing a statement's actions."""

import copy
import fnmatch

from policyuniverse.actions import known

KNOWN = known()


def _listed(value):
    if not value:
        return []
    return [value] if isinstance(value, str) else list(value)


def _has_wildcard(action):
    return "*" in action or "?" in action


def _expanded(actions):
    """In lower case; a wildcard stays beside what it is known to stand for."""
    found = set()
    for action in actions:
        action = action.lower()
        found.add(action)
        if _has_wildcard(action):
            found.update(fnmatch.filter(KNOWN, action))
    return found


def get_actions_from_statement(statement):
    """The actions that a statement is about; those left out by `NotAction` are what is known of the others."""
    if "NotAction" in statement:
        return KNOWN - _expanded(_listed(statement["NotAction"]))
    return _expanded(_listed(statement.get("Action")))


def expand_policy(policy=None, expand_deny=False):
    """A copy of the policy whose allowing statements list their actions one by one."""
    policy = copy.deepcopy(policy)
    statements = policy.get("Statement") or []
    if isinstance(statements, dict):
        statements = [statements]
    policy["Statement"] = statements
    for statement in statements:
        if statement.get("Effect") == "Allow" or expand_deny:
            statement["Action"] = sorted(get_actions_from_statement(statement))
            statement.pop("NotAction", None)
    return policy


def minimize_statement_actions(statement, minchars=None):
    """A statement's actions in lower case; wildcards that are written stay, none are made of single actions."""
    if statement["Effect"] != "Allow":
        raise Exception("Minification does not currently support Deny statements.")
    return sorted({action.lower() for action in _listed(statement.get("Action"))})
