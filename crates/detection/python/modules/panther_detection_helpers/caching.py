"""The cache that detections share: counters, string sets and dictionaries under text keys, with an expiry.

The main process keeps it; every call is one request over the worker's socket, applied atomically. Expiries are seconds:
none means 90 days from now, below a week and a second they count from now, above that they are a moment. Adding to what
lives, without an expiry, leaves the one it has.
"""

import json
import time
from collections.abc import Mapping

import _uncia

DEFAULT_EXPIRY_SECONDS = 90 * 24 * 3600
RELATIVE_BELOW = 604_801


def _request(op, key, expires=None, **arguments):
    now = int(time.time())
    request = {"op": op, "key": str(key), "now": now, "expires": expires, **arguments}
    request["default_expires"] = now + DEFAULT_EXPIRY_SECONDS
    answer = json.loads(_uncia.cache(json.dumps(request)))
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return answer["item"]


def _moment(epoch_seconds):
    if epoch_seconds is None:
        return int(time.time()) + DEFAULT_EXPIRY_SECONDS
    epoch_seconds = int(epoch_seconds)
    return epoch_seconds + int(time.time()) if epoch_seconds < RELATIVE_BELOW else epoch_seconds


def _moment_if_given(epoch_seconds):
    return None if epoch_seconds is None else _moment(epoch_seconds)


def _strings(values):
    return [values] if isinstance(values, str) else sorted({str(value) for value in values})


def _live(key, force_ttl_check):
    item = _request("get", key)
    return {} if force_ttl_check and ttl_expired(item) else item


class _Table:
    """Raw access to items, as much of a table's interface as content may touch."""

    def get_item(self, Key, **_options):
        key = next(iter(Key.values()))
        item = _request("get", key)
        found = {"key": key}
        if "counter" in item:
            found["intCount"] = item["counter"]
        if "strings" in item:
            found["stringSet"] = set(item["strings"])
        if "dictionary" in item:
            found["dictionary"] = item["dictionary"]
        if "expires" in item:
            found["expiresAt"] = item["expires"]
        return {"Item": found} if len(found) > 1 else {}


def kv_table():
    """Raw access to the items."""
    return _Table()


def ttl_expired(item):
    """Whether an item's expiry has passed; an item without one lives."""
    if not item:
        return False
    expires = item.get("expires", item.get("expiresAt"))
    return expires is not None and int(expires) <= time.time()


def get_counter(key, force_ttl_check=False):
    """The counter's value, 0 if there is none."""
    return _live(key, force_ttl_check).get("counter", 0)


def increment_counter(key, val=1, epoch_seconds=None):
    """Adds to the counter and returns its new value."""
    return _request("add_to_counter", key, _moment_if_given(epoch_seconds), by=int(val))["counter"]


def reset_counter(key):
    """Removes the counter."""
    _request("reset_counter", key)


def set_key_expiration(key, epoch_seconds):
    """Sets when the key expires."""
    _request("expire", key, _moment(epoch_seconds))


def evaluate_threshold(key, threshold=10, expiry_seconds=3600):
    """Counts; at the threshold starts again and is true."""
    count = increment_counter(key, 1, expiry_seconds)
    if count < threshold:
        return False
    reset_counter(key)
    return True


def get_string_set(key, force_ttl_check=False):
    """The strings under the key."""
    return set(_live(key, force_ttl_check).get("strings", ()))


def put_string_set(key, val, epoch_seconds=None):
    """Replaces the strings; nothing removes them."""
    _request("put_strings", key, _moment(epoch_seconds), strings=_strings(val))


def add_to_string_set(key, val, epoch_seconds=None):
    """Adds one or more strings and returns all."""
    item = _request("add_strings", key, _moment_if_given(epoch_seconds), strings=_strings(val))
    return set(item.get("strings", ()))


def remove_from_string_set(key, val, epoch_seconds=None):
    """Removes one or more strings and returns what is left."""
    item = _request("remove_strings", key, _moment_if_given(epoch_seconds), strings=_strings(val))
    return set(item.get("strings", ()))


def reset_string_set(key):
    """Removes all strings."""
    _request("put_strings", key, strings=[])


def put_dictionary(key, val, epoch_seconds=None):
    """Stores a mapping as JSON."""
    if not isinstance(val, Mapping):
        raise TypeError("put_dictionary: value is not a mapping")
    try:
        text = json.dumps(val, default=_uncia.PantherEvent.json_encoder)
    except TypeError as error:
        raise ValueError(f"put_dictionary: value cannot be written as JSON: {error}") from error
    _request("put_dictionary", key, _moment(epoch_seconds), dictionary=text)


def get_dictionary(key, force_ttl_check=False):
    """The stored mapping, empty if there is none."""
    text = _live(key, force_ttl_check).get("dictionary")
    return json.loads(text) if text else {}


def check_account_age(key):
    """Whether live strings are kept under the key."""
    item = _request("get", key)
    return bool(item.get("strings")) and not ttl_expired(item)
