"""What actions do, by AWS's access levels: List, Read, Write, Tagging, Permissions.

The real package carries a table of every action. Here the level is read off the action's name, which AWS gives by rule:
`Describe…` and `List…` list, `Get…` reads, what touches policies, grants and access lists manages permissions, the rest
writes. A wildcard has the levels of all that it may stand for.
"""

from collections import defaultdict

CATEGORIES = ("List", "Permissions", "Read", "Tagging", "Write")

_LIST = ("describe", "list", "search")
_READ = ("get", "batchget", "head", "lookup", "query", "scan", "view", "check", "simulate", "receive", "read", "test",
         "validate", "download", "select", "export", "preview", "estimate", "decode")
_TAGGING = ("tag", "untag", "createtags", "deletetags", "addtags", "removetags")
_CHANGES = ("put", "attach", "detach", "delete", "create", "set", "update", "add", "remove", "modify", "reset", "upload")
_PERMISSIONS = ("policy", "permission", "acl", "grant", "publicaccessblock", "snapshotattribute", "imageattribute",
                "accesscontrol", "boundary")
_NOT_PERMISSIONS = ("networkacl", "dhcp", "lifecycle", "scalingpolicy", "autoscaling", "backuppolicy")


def _level(name):
    if name.startswith(_TAGGING):
        return "Tagging"
    if name.startswith(_LIST):
        return "List"
    if name.startswith(_READ):
        return "Read"
    if "tagging" in name:
        return "Tagging"
    touches = any(word in name for word in _PERMISSIONS) and not any(word in name for word in _NOT_PERMISSIONS)
    if name.startswith(("revoke", "retiregrant")) and "securitygroup" not in name:
        return "Permissions"
    return "Permissions" if touches and name.startswith(_CHANGES) else "Write"


def _levels(name):
    head, star, _ = name.partition("*")
    if not star and "?" not in name:
        return {_level(name)}
    head = head.partition("?")[0]
    for verbs, level in ((_TAGGING, "Tagging"), (_LIST, "List"), (_READ, "Read")):
        if head.startswith(verbs):
            return {level}
    # A verb that changes; without one, anything.
    return {"Permissions", "Tagging", "Write"} if len(head) > 2 else set(CATEGORIES)


def categories_for_actions(actions):
    """Services to the levels of their actions among those given."""
    found = defaultdict(set)
    for action in actions:
        service, _, name = action.lower().partition(":")
        if service == "*":
            service, name = "*", "*"
        found[service] |= _levels(name)
    return found
