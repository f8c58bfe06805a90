"""The part of action minimising that needs no table of all actions; expanding wildcards needs the real package."""


def minimize_statement_actions(statement, minchars=None):
    """A statement's actions in lower case; wildcards that are written stay, none are made of single actions."""
    if statement["Effect"] != "Allow":
        raise Exception("Minification does not currently support Deny statements.")
    actions = statement.get("Action") or []
    actions = [actions] if isinstance(actions, str) else actions
    return sorted({action.lower() for action in actions})
