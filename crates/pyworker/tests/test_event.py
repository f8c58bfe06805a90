"""The event classes, once over a parsed document and once over Python containers: both must behave alike."""

import collections.abc
import copy
import json
import math
import unittest

import _uncia
from _uncia import DataModel, ImmutableCaseInsensitiveDict, ImmutableList, PantherError, PantherEvent

EVENT = {
    "Name": "first",
    "name": "second",
    "NULL": None,
    "flag": True,
    "zero": 0,
    "empty": "",
    "float": 1.5,
    "big": 12345678901234567890123,
    "Nested": {"Inner": {"Leaf": "deep", "none": None}, "list": [1, [2, 3], {"k": "v"}]},
    "list": ["a", "b", {"x": 1}],
    "none": [],
    "p_log_type": "T.Log",
    "p_event_time": "2024-01-02 03:04:05.678901234",
    "Ünicode": "ü",
}


def native(value, model=None):
    return _uncia.parse(json.dumps(value), model)


class Both(unittest.TestCase):
    """Runs each check on both kinds of events."""

    def both(self, value=EVENT, model=None):
        for name, event in (("native", native(value, model)), ("python", PantherEvent(copy.deepcopy(value), model))):
            with self.subTest(backing=name):
                yield event


class Lookup(Both):
    def test_exact_key_wins_then_the_first_that_folds_alike(self):
        for event in self.both():
            self.assertEqual(event["Name"], "first")
            self.assertEqual(event["name"], "second")
            self.assertEqual(event["NAME"], "first")
            self.assertEqual(event.get("nAmE"), "first")
            self.assertEqual(event["ÜNICODE"], "ü")
            self.assertIn("ünicode", event)

    def test_keys_that_only_look_ascii(self):
        for event in self.both({"\u212aey": 1}):
            self.assertEqual(event["key"], 1)

    def test_missing(self):
        for event in self.both():
            with self.assertRaises(KeyError) as caught:
                event["Missing"]
            self.assertEqual(caught.exception.args, ("Missing",))
            self.assertIsNone(event.get("Missing"))
            self.assertEqual(event.get("Missing", 7), 7)
            self.assertEqual(event.get("Missing", default=7), 7)
            self.assertNotIn("Missing", event)

    def test_null_is_there(self):
        for event in self.both():
            self.assertIsNone(event.get("null", 7))
            self.assertIn("null", event)
            self.assertIsNone(event["NULL"])

    def test_keys_that_are_no_text(self):
        for event in self.both():
            for ask in (lambda: event[1], lambda: event.get(1), lambda: 1 in event):
                with self.assertRaisesRegex(AttributeError, "'int' object has no attribute 'lower'"):
                    ask()
            with self.assertRaisesRegex(TypeError, "unhashable"):
                event.get([])

    def test_deep_get(self):
        for event in self.both():
            self.assertEqual(event.deep_get("nested", "INNER", "leaf"), "deep")
            self.assertEqual(event.deep_get("nested", "inner", "none", default="d"), "d")
            self.assertIsNone(event.deep_get("nested", "nothing", "none"))
            self.assertEqual(event.deep_get("name", "leaf", default="d"), "d")
            self.assertEqual(event.deep_get("list", "x", default="d"), "d")
            self.assertEqual(event.deep_get("zero", default=1), 0)
            self.assertEqual(event.deep_get("empty", default="d"), "")
            self.assertEqual(event.deep_get("none", default="d"), [])
            self.assertIsInstance(event.deep_get("nested", "inner"), ImmutableCaseInsensitiveDict)

    def test_scalars_as_json_makes_them(self):
        for event in self.both():
            self.assertIs(event["flag"], True)
            self.assertIs(type(event["zero"]), int)
            self.assertIs(type(event["float"]), float)
            self.assertEqual(event["big"], 12345678901234567890123)
        event = _uncia.parse('{"a": 1e400, "b": -0, "c": -0.0, "d": 1E2, "e": 0.1}')
        self.assertEqual((event["a"], event["b"], event["d"], event["e"]), (math.inf, 0, 100.0, 0.1))
        self.assertIs(type(event["d"]), float)
        self.assertEqual(math.copysign(1, event["c"]), -1)

    def test_duplicates_last_wins_at_the_first_place(self):
        event = _uncia.parse('{"a": 1, "b": 2, "a": 3}')
        self.assertEqual(list(event.items()), [("a", 3), ("b", 2)])

    def test_what_is_no_event(self):
        for text in ("[1]", "1", "{", ""):
            with self.assertRaises(ValueError):
                _uncia.parse(text)
        for value in ([1], 1, None, "x"):
            with self.assertRaises(TypeError):
                PantherEvent(value)


class AsMapping(Both):
    def test_kind(self):
        for event in self.both():
            self.assertIsInstance(event, collections.abc.Mapping)
            self.assertNotIsInstance(event, dict)
            self.assertIsInstance(event, PantherEvent)
            self.assertIsInstance(event, ImmutableCaseInsensitiveDict)
            self.assertIs(type(event["nested"]), ImmutableCaseInsensitiveDict)
            self.assertFalse(hasattr(event["nested"], "udm"))

    def test_iteration_keeps_spelling_and_order(self):
        for event in self.both():
            self.assertEqual(list(event), list(EVENT))
            self.assertEqual(len(event), len(EVENT))
            self.assertEqual(list(event.keys()), list(EVENT))
            self.assertEqual([key for key, _ in event.items()], list(EVENT))
            self.assertEqual(list(event.values())[0], "first")
            self.assertEqual(event.keys() & {"Name", "x"}, {"Name"})
            self.assertIsInstance(dict(event)["Nested"], ImmutableCaseInsensitiveDict)
            self.assertEqual({**event}["zero"], 0)
        for event in self.both({}):
            self.assertFalse(event)

    def test_equality(self):
        for event in self.both():
            self.assertEqual(event, EVENT)
            self.assertEqual(EVENT, event)
            self.assertEqual(event["nested"], {"Inner": {"Leaf": "deep", "none": None}, "list": [1, [2, 3], {"k": "v"}]})
            self.assertEqual(event, native(EVENT))
            self.assertNotEqual(event, {"Name": "first"})
            self.assertNotEqual(event["nested"], {"inner": {}})
            self.assertFalse(event == 1)
            self.assertEqual({"k": event["list"]}, {"k": ["a", "b", {"x": 1}]})

    def test_what_it_refuses(self):
        for event in self.both():
            with self.assertRaises(TypeError):
                event["a"] = 1
            with self.assertRaises(TypeError):
                del event["Name"]
            with self.assertRaises(TypeError):
                event | {}
            with self.assertRaisesRegex(TypeError, "unhashable type"):
                hash(event)
            with self.assertRaisesRegex(TypeError, "unhashable type"):
                event["nested"] in {"a"}
            with self.assertRaises(TypeError):
                json.dumps(event)
            with self.assertRaises(AttributeError):
                event.anything = 1
            self.assertFalse(hasattr(event, "pop"))

    def test_repr(self):
        value = {"a": {"b": [1, "x"]}, "l": ["y"], "e": []}
        for event in self.both(value):
            self.assertEqual(repr(event), "PantherEvent({'a': {'b': [1, 'x']}, 'l': ['y'], 'e': []})")
            self.assertEqual(f"{event['a']}", "ImmutableCaseInsensitiveDict({'b': [1, 'x']})")
            self.assertEqual(str(event["a"]["b"]), "ImmutableList((1, 'x'))")
            self.assertEqual(str(event["l"]), "ImmutableList(('y',))")
            self.assertEqual(str(event["e"]), "ImmutableList(())")

    def test_copies_are_plain_and_apart(self):
        for event in self.both():
            for made in (event.to_dict(), event.copy()):
                self.assertIs(type(made), dict)
                self.assertIs(type(made["Nested"]["list"]), list)
                made["Nested"]["list"].append(1)
                made["new"] = 1
            self.assertEqual(event, EVENT)
            self.assertEqual(event.raw_view(), EVENT)
            self.assertEqual(json.loads(json.dumps(event, default=PantherEvent.json_encoder)), EVENT)
            self.assertEqual(json.loads(json.dumps(event["list"], default=PantherEvent.json_encoder)), EVENT["list"])
            self.assertEqual(copy.deepcopy(event), event)
        with self.assertRaises(TypeError):
            PantherEvent.json_encoder({1})

    def test_raw_view_of_a_wrapped_dict_is_the_dict(self):
        wrapped = {"a": 1}
        self.assertIs(ImmutableCaseInsensitiveDict(wrapped).raw_view(), wrapped)

    def test_only_exact_containers_are_wrapped(self):
        class Special(dict):
            pass

        event = PantherEvent({"t": (1, {"a": 1}), "s": Special(a=1), "b": b"x"})
        self.assertEqual(event["t"], (1, {"a": 1}))
        self.assertIs(type(event["s"]), Special)
        self.assertEqual(event["b"], b"x")

    def test_wrapping_a_view(self):
        for event in self.both():
            again = PantherEvent(event["nested"])
            self.assertEqual(again["inner"]["leaf"], "deep")


class AsList(Both):
    def test_sequence(self):
        for event in self.both():
            items = event["list"]
            self.assertIsInstance(items, collections.abc.Sequence)
            self.assertNotIsInstance(items, (list, tuple))
            self.assertEqual((items[0], items[-2], len(items)), ("a", "b", 3))
            self.assertIsInstance(items[2], ImmutableCaseInsensitiveDict)
            self.assertEqual(items[2]["X"], 1)
            self.assertIn("a", items)
            self.assertIn({"x": 1}, items)
            self.assertNotIn("z", items)
            self.assertEqual((items.index("b"), items.count("a")), (1, 1))
            self.assertEqual(list(reversed(items))[1], "b")
            self.assertEqual([type(item) for item in items][2], ImmutableCaseInsensitiveDict)
            for index in (3, -4, 10**30):
                with self.assertRaises((IndexError, TypeError)):
                    items[index]
            with self.assertRaises(ValueError):
                items.index("z")
            with self.assertRaises(TypeError):
                items["a"]

    def test_slices_are_plain_tuples(self):
        for event in self.both():
            self.assertEqual(event["list"][1:], ("b", {"x": 1}))
            self.assertIs(type(event["list"][1:][1]), dict)
            self.assertEqual(event["list"][::-1][0], {"x": 1})

    def test_equality_and_refusals(self):
        for event in self.both():
            items = event["list"]
            self.assertEqual(items, ["a", "b", {"x": 1}])
            self.assertEqual(items, ("a", "b", {"x": 1}))
            self.assertEqual(["a", "b", {"x": 1}], items)
            self.assertNotEqual(items, ["a"])
            self.assertFalse(items == "ab")
            for wrong in (lambda: items + ["c"], lambda: ["c"] + items, lambda: items * 2, lambda: hash(items)):
                with self.assertRaises(TypeError):
                    wrong()
            with self.assertRaises(TypeError):
                items[0] = 1
            plain = items.as_list()
            self.assertIs(type(plain), list)
            plain[2]["x"] = 2
            self.assertEqual(items[2]["x"], 1)

    def test_from_python(self):
        self.assertEqual(ImmutableList(["1", 2, True]), ["1", 2, True])
        self.assertEqual(str(ImmutableList([{"a": [1]}])), "ImmutableList(({'a': [1]},))")
        self.assertEqual(ImmutableList(ImmutableList((1,))), [1])
        self.assertTrue(not ImmutableList([]))


class DeepWalk(Both):
    EVENT = {
        "users": [{"name": "a", "tags": ["x", "y"]}, {"name": "b", "tags": []}, {"name": "a"}],
        "one": [{"k": "v"}],
        "plain": {"list": [1, 2], "empty": [[], [[]]], "obj": {"a": 1}},
        "objects": [{"o": {"a": 1}}, {"o": {"a": 2}}],
        "nothing": None,
    }

    def test_values(self):
        for event in self.both(self.EVENT):
            self.assertEqual(event.deep_walk("users", "name"), ["a", "b"])
            self.assertEqual(event.deep_walk("users", "name", return_val="first"), "a")
            self.assertEqual(event.deep_walk("users", "name", return_val="last"), "b")
            self.assertEqual(event.deep_walk("users", "tags"), ["x", "y"])
            self.assertEqual(event.deep_walk("one", "k"), "v")
            self.assertEqual(event.deep_walk("plain", "list"), [1, 2])
            self.assertEqual(event.deep_walk("plain", "empty", default="d"), "d")
            self.assertEqual(event.deep_walk("plain", "missing", default="d"), "d")
            self.assertEqual(event.deep_walk("nothing", default="d"), "d")
            self.assertIsNone(event.deep_walk("Users", "name"), "case-sensitive")
            self.assertEqual(event.deep_walk("objects", "o", "a"), [1, 2])

    def test_values_are_plain(self):
        for event in self.both(self.EVENT):
            self.assertIs(type(event.deep_walk("plain", "obj")), dict)
            self.assertIs(type(event.deep_walk("plain", "list")), list)
            with self.assertRaisesRegex(TypeError, "unhashable"):
                event.deep_walk("objects", "o")


class Udm(Both):
    def model(self):
        paths = [("ip", "$.net.ip"), ("plain", "Name"), ("gone", "a.b"), ("nil", "nil"), ("all", "many[*].x"), ("at", "many[1].x")]
        return DataModel(paths, {"kind": method, "bad": failing})

    EVENT = {
        "net": {"ip": "1.2.3.4", "IP": "other"},
        "Name": {"a": 1},
        "nil": None,
        "many": [{"x": 1}, {"x": 2}],
        "zero": 0,
        "direct": {"x": 5},
        "p_udm": {"user": "u"},
        "user": "shadowed",
        "p_log_type": "T.Log",
    }

    def test_mappings(self):
        for event in self.both(self.EVENT, self.model()):
            self.assertEqual(event.udm("ip"), "1.2.3.4")
            self.assertEqual(event.udm("plain")["A"], 1)
            self.assertEqual(event.udm("gone", default="d"), "d")
            self.assertIsNone(event.udm("nil", default="d"))
            self.assertEqual(event.udm("at"), 2)
            self.assertEqual(event.udm("kind"), "ImmutableCaseInsensitiveDict 1.2.3.4")
            with self.assertRaisesRegex(ZeroDivisionError, ""):
                event.udm("bad")
            with self.assertRaisesRegex(Exception, "matched multiple fields"):
                event.udm("all")

    def test_paths_are_case_sensitive(self):
        for event in self.both({"NET": {"ip": 1}}, self.model()):
            self.assertIsNone(event.udm("ip"))

    def test_unmapped(self):
        for event in self.both(self.EVENT, self.model()):
            self.assertEqual(event.udm("user"), "u")
            self.assertEqual(event.udm("direct", "X"), 5)
            self.assertEqual(event.udm("zero", default="d"), "d", "false values fall through")
            self.assertIsNone(event.udm("nowhere"))
        for event in self.both(self.EVENT):
            self.assertEqual(event.udm("net", "ip"), "1.2.3.4")
            self.assertEqual(event.udm("Name")["a"], 1)

    def test_udm_path(self):
        for event in self.both(self.EVENT, self.model()):
            self.assertEqual(event.udm_path("ip"), "net.ip")
            self.assertEqual(event.udm_path("kind"), "method")
            self.assertIsNone(event.udm_path("gone"))
            self.assertIsNone(event.udm_path("unmapped"))
        for event in self.both(self.EVENT):
            with self.assertRaisesRegex(PantherError, "a data model hasn't been specified for log type: T.Log"):
                event.udm_path("ip")

    def test_paths_that_are_not_supported(self):
        for path in ("$..a", "", "$", "a[?(@.x)]", "a..b", "a[", "a[-1]"):
            with self.assertRaisesRegex(ValueError, "only fields"):
                DataModel([("x", path)], {})


def method(event):
    return f"{type(event).__name__} {event.deep_get('NET', 'ip')}"


def failing(_event):
    return 1 / 0


class Rest(Both):
    def test_lookup_reads_what_tests_write(self):
        for event in self.both({"_mocked_lookup_data_": {"table": {"key": {"a": 1}}}}):
            self.assertEqual(event.lookup("table", "key"), {"a": 1})
            self.assertIsNone(event.lookup("table", "other"))

    def test_event_time_epoch_without_a_time(self):
        for event in self.both({}):
            self.assertEqual(event.event_time_epoch(), 0)
        for event in self.both({"p_event_time": "never"}):
            self.assertEqual(event.event_time_epoch(), 0)

    def test_names(self):
        self.assertEqual(PantherEvent.__name__, "PantherEvent")
        self.assertEqual(ImmutableList.__module__, "panther_core.immutable")


if __name__ == "__main__":
    unittest.main()
