//! Small rules, one or a few per operation that is modelled without Python, and the events they start from.

/// Mutants are made of these at every path that a rule reads.
pub(crate) const EVENTS: [&str; 4] = [
    r#"{"name":"go","kind":"A","a":"x","b":{"c":"y","d":["one","two"],"e":{"f":1}},"n":3,"t":true,"actor":{"id":"ann"},"tags":["red","blue"],"source":"10.1.2.3","p_log_type":"T"}"#,
    r#"{"NAME":"go","Kind":"a","a":{"x":1},"b":{"C":"y","d":[]},"n":"3","actor":"ann","user":"ann","host":{"name":"h1"},"items":[{"k":"v1"},{"k":"v2"}]}"#,
    r#"{"name":null,"kind":"B","a":["x"],"b":null,"n":1,"t":false,"user":"bob","path":"/usr/bin/x","url":"https://EXAMPLE.com/Go"}"#,
    r#"{"name":"stop","kind":"prod-1","a":1,"b":{"c":null},"n":0,"p_udm":{"thing":"t1"},"thing":"t2","path":"/etc/passwd","url":"http://go","source":"s3.amazonaws.com"}"#,
];

pub(crate) const RULES: &[(&str, &str)] = &[
    ("Equals", "def rule(event):\n    return event.get('name') == 'go'\n"),
    ("EqualsOtherCase", "def rule(event):\n    return event.get('NAME') == 'go'\n"),
    ("Subscript", "def rule(event):\n    return event['name'] == 'go' and event['b']['c'] == 'y'\n"),
    ("Default", "def rule(event):\n    return event.get('name', 'go') == 'go'\n"),
    ("DefaultEmpty", "def rule(event):\n    return event.get('name', '').lower() == 'go'\n"),
    ("Lower", "def rule(event):\n    return event.get('kind').lower() in ('a', 'b')\n"),
    ("Upper", "def rule(event):\n    return event.get('kind', '').upper() == 'A'\n"),
    ("AmongList", "def rule(event):\n    return event.get('name') in ['go', 'stop']\n"),
    ("AmongSet", "KNOWN = {'go', 'stop', None}\ndef rule(event):\n    return event.get('a') in KNOWN\n"),
    ("NotAmong", "def rule(event):\n    return event.get('a') not in {'x', 'y'}\n"),
    (
        "AmongDict",
        "KNOWN = {'go': 1, 'stop': 2}\ndef rule(event):\n    return event.get('name') in KNOWN and KNOWN[event['name']] == 1\n",
    ),
    ("DictGet", "KNOWN = {'go': True}\ndef rule(event):\n    return KNOWN.get(event.get('name'), False)\n"),
    ("Within", "def rule(event):\n    return event.get('name') in 'go away'\n"),
    ("Contains", "def rule(event):\n    return 'o' in event.get('name', '')\n"),
    ("ContainsAny", "def rule(event):\n    return 'x' in event.get('a')\n"),
    ("StartsWith", "def rule(event):\n    return event.get('kind', '').startswith('prod')\n"),
    ("StartsWithMiddle", "def rule(event):\n    return event.get('kind', '').startswith('ro')\n"),
    ("StartsWithTuple", "def rule(event):\n    return event.get('path', '').startswith(('/usr', '/bin'))\n"),
    ("EndsWith", "def rule(event):\n    return event.get('path', '').endswith('passwd')\n"),
    (
        "AnyPrefix",
        "PREFIXES = ['/etc', '/root']\ndef rule(event):\n    return any(event.get('path', '').startswith(p) for p in PREFIXES)\n",
    ),
    (
        "AnySet",
        "WORDS = {'go', 'example'}\ndef rule(event):\n    return any(word in event.get('url', '').lower() for word in WORDS)\n",
    ),
    ("All", "def rule(event):\n    return all([event.get('name') == 'go', event.get('kind') == 'A'])\n"),
    ("AllOfItems", "def rule(event):\n    return all(tag in ('red', 'blue') for tag in event.get('tags', []))\n"),
    ("DeepGet", "def rule(event):\n    return event.deep_get('b', 'c') == 'y'\n"),
    ("DeepGetDefault", "def rule(event):\n    return event.deep_get('b', 'c', default='none') == 'none'\n"),
    ("DeepGetLower", "def rule(event):\n    return event.deep_get('b', 'c', default='').lower() == 'y'\n"),
    ("Chain", "def rule(event):\n    return event.get('b', {}).get('e', {}).get('f', 0) == 1\n"),
    ("DeepWalk", "def rule(event):\n    return 'v1' in event.deep_walk('items', 'k', default=[])\n"),
    (
        "DeepWalkFirst",
        "def rule(event):\n    return event.deep_walk('items', 'k', default='', return_val='first') == 'v1'\n",
    ),
    ("UdmPath", "def rule(event):\n    return event.udm('user') == 'ann'\n"),
    ("UdmDollar", "def rule(event):\n    return event.udm('host', default='none') == 'h1'\n"),
    ("UdmUnmapped", "def rule(event):\n    return event.udm('thing') == 't1'\n"),
    ("UdmUser", "def rule(event):\n    return event.udm('user', default='nobody') in ('bob', 'nobody')\n"),
    ("IsDict", "def rule(event):\n    return isinstance(event.get('a'), dict)\n"),
    ("NotDict", "def rule(event):\n    return not isinstance(event.get('a'), dict)\n"),
    (
        "IsList",
        "def rule(event):\n    return isinstance(event.get('a'), list) or isinstance(event.get('b'), (str, int))\n",
    ),
    (
        "IsMapping",
        "from collections.abc import Mapping, Sequence\ndef rule(event):\n    return isinstance(event.get('a'), Mapping) or isinstance(event.get('tags'), Sequence)\n",
    ),
    (
        "Guarded",
        "def rule(event):\n    name = event.get('name')\n    return isinstance(name, str) and name.lower() == 'go'\n",
    ),
    ("Truthy", "def rule(event):\n    a = event.get('a')\n    if not a:\n        return False\n    return a == 'x'\n"),
    ("TruthyLower", "def rule(event):\n    a = event.get('a')\n    return bool(a and a.lower() == 'x')\n"),
    ("NotABool", "def rule(event):\n    return event.get('t') and event.get('name') == 'go'\n"),
    ("ReturnsNone", "def rule(event):\n    if event.get('name') == 'go':\n        return True\n"),
    ("ReturnsText", "def rule(event):\n    return event.get('name') or False\n"),
    ("IsNone", "def rule(event):\n    return event.get('name') is None\n"),
    ("IsTrue", "def rule(event):\n    return event.get('t') is True\n"),
    ("OneIsTrue", "def rule(event):\n    return event.get('t') == 1\n"),
    ("Numbers", "def rule(event):\n    return event.get('n', 0) > 2 and event.get('n') != 5\n"),
    ("NumbersAmong", "def rule(event):\n    return event.get('n') in (0, 1, 2.5)\n"),
    ("Int", "def rule(event):\n    return int(event.get('n')) >= 3\n"),
    ("Length", "def rule(event):\n    return len(event.get('tags', [])) > 1\n"),
    ("Empty", "def rule(event):\n    return event.get('tags') == []\n"),
    ("ListEquals", "def rule(event):\n    return event.get('tags') == ['red', 'blue']\n"),
    (
        "RaisesLate",
        "def rule(event):\n    if event.get('kind') == 'A':\n        return event.get('other').lower() == 'y'\n    return event.get('name').lower() == 'go'\n",
    ),
    (
        "RaisesFirst",
        "def rule(event):\n    other = event['missing']\n    return event.get('name') == 'go' and other == 1\n",
    ),
    (
        "MissingMatches",
        "def rule(event):\n    return event.get('name', 'go') == 'go' and event.get('kind', 'A') == 'A'\n",
    ),
    ("Split", "def rule(event):\n    return event.get('path', '').split('/')[1] == 'usr'\n"),
    ("SplitLast", "def rule(event):\n    return event.get('path', '').split('/')[-1] in ('x', 'passwd')\n"),
    (
        "Replace",
        "def rule(event):\n    return event.get('url', '').replace('https://', '').strip() == 'EXAMPLE.com/Go'\n",
    ),
    (
        "Slice",
        "def rule(event):\n    return event.get('path', '')[:4] == '/usr' or event.get('path', '')[-1:] == 'd'\n",
    ),
    ("Format", "def rule(event):\n    return f\"{event.get('name')}-{event.get('kind')}\" == 'go-A'\n"),
    ("Concatenation", "def rule(event):\n    return event.get('name', '') + event.get('kind', '') == 'goA'\n"),
    ("Join", "def rule(event):\n    return ','.join(event.get('tags', [])) == 'red,blue'\n"),
    ("Comprehension", "def rule(event):\n    return [t for t in event.get('tags', []) if t != 'blue'] == ['red']\n"),
    ("SetOfItems", "def rule(event):\n    return 'red' in set(event.get('tags', []))\n"),
    (
        "Loop",
        "def rule(event):\n    for item in event.get('items', []):\n        if item.get('k') == 'v2':\n            return True\n    return False\n",
    ),
    (
        "LoopElse",
        "def rule(event):\n    for tag in event.get('tags', []):\n        if tag == 'red':\n            break\n    else:\n        return False\n    return True\n",
    ),
    (
        "LoopConstants",
        "WORDS = ('go', 'ex')\ndef rule(event):\n    url = event.get('url', '').lower()\n    for word in WORDS:\n        if word not in url:\n            return False\n    return True\n",
    ),
    ("Keys", "def rule(event):\n    return any(key.startswith('na') for key in event.keys())\n"),
    ("Items", "def rule(event):\n    return any(k == 'c' and v == 'y' for k, v in event.get('b', {}).items())\n"),
    ("InEvent", "def rule(event):\n    return 'name' in event and 'NOPE' not in event\n"),
    (
        "Ternary",
        "def rule(event):\n    wanted = 'go' if event.get('kind') == 'A' else 'stop'\n    return event.get('name') == wanted\n",
    ),
    ("Walrus", "def rule(event):\n    return bool((name := event.get('name')) and name == 'go')\n"),
    (
        "Try",
        "def rule(event):\n    try:\n        return event['b']['c'] == 'y'\n    except (KeyError, TypeError):\n        return True\n",
    ),
    (
        "Helper",
        "def is_go(event, wanted='go'):\n    return event.get('name') == wanted\ndef rule(event):\n    return is_go(event) or is_go(event, wanted='stop')\n",
    ),
    (
        "HelperFalsy",
        "def of(event):\n    return event.get('name')\ndef rule(event):\n    return of(event) in ('go', None)\n",
    ),
    (
        "Regex",
        "import re\nPATTERN = re.compile(r'^/(usr|etc)/')\ndef rule(event):\n    return bool(PATTERN.match(event.get('path', '')))\n",
    ),
    (
        "RegexFunction",
        "import re\ndef rule(event):\n    return re.search('(?i)example', event.get('url', '')) is not None\n",
    ),
    ("Address", "import ipaddress\ndef rule(event):\n    return bool(ipaddress.ip_address(event.get('a')))\n"),
    (
        "Global",
        "SEEN = None\ndef rule(event):\n    global SEEN\n    SEEN = event.get('name')\n    return event.get('kind') == 'A'\ndef title(event):\n    return f'seen {SEEN}'\n",
    ),
    (
        "GlobalLate",
        "SEEN = 'nothing'\ndef rule(event):\n    global SEEN\n    if event.get('kind') == 'A':\n        return True\n    SEEN = event.get('kind')\n    return False\ndef title(event):\n    return f'seen {SEEN}'\n",
    ),
    (
        "GlobalObject",
        "SEEN = None\ndef rule(event):\n    global SEEN\n    if event.get('kind') == 'A':\n        return True\n    SEEN = event.get('b')\n    return False\ndef title(event):\n    return f'seen {SEEN}'\n",
    ),
    (
        "GlobalContainer",
        "SEEN = {}\ndef rule(event):\n    global SEEN\n    SEEN = {}\n    if event.get('kind') == 'B':\n        return False\n    SEEN[event.get('name')] = 1\n    return event.get('kind') == 'A'\ndef title(event):\n    SEEN['t'] = len(SEEN)\n    return f'seen {SEEN}'\n",
    ),
    (
        "GlobalNamed",
        "EMPTY = []\nSEEN = []\ndef rule(event):\n    global SEEN\n    if event.get('kind') == 'A':\n        SEEN.append(1)\n        return True\n    SEEN = EMPTY if event.get('kind') == 'B' else []\n    return False\ndef title(event):\n    return f'seen {SEEN}'\n",
    ),
    (
        "GlobalFresh",
        "SEEN = []\ndef rule(event):\n    global SEEN\n    if event.get('kind') == 'A':\n        SEEN.append(1)\n        return True\n    SEEN = []\n    return False\ndef title(event):\n    return f'seen {SEEN}'\n",
    ),
    (
        "Counter",
        "COUNT = {}\ndef rule(event):\n    COUNT[event.get('kind')] = COUNT.get(event.get('kind'), 0) + 1\n    return COUNT[event.get('kind')] % 7 == 0\n",
    ),
    (
        "CounterHidden",
        "COUNT = []\ndef note(into):\n    into.append(1)\n    return len(into)\ndef rule(event):\n    return event.get('name') == 'go' and note(COUNT) % 5 == 0\n",
    ),
    (
        "ChangedList",
        "KNOWN = ['stop']\ndef rule(event):\n    if event.get('kind') == 'A' and 'go' not in KNOWN:\n        KNOWN.append('go')\n    return event.get('name') in KNOWN\n",
    ),
    (
        "ChangedAlias",
        "KNOWN = ['stop']\nHOLDER = {'known': KNOWN}\ndef rule(event):\n    if event.get('kind') == 'A':\n        HOLDER['known'].append('go')\n    return event.get('name') in KNOWN\n",
    ),
    (
        "Dynamic",
        "def rule(event):\n    return globals()['wanted'](event)\ndef wanted(event):\n    return event.get('name') == 'go'\n",
    ),
    (
        "Rebound",
        "def check(event):\n    return False\ndef check(event):\n    return event.get('name') == 'go'\ndef rule(event):\n    return check(event)\n",
    ),
    (
        "Decorated",
        "import functools\ndef turned(function):\n    @functools.wraps(function)\n    def inner(event):\n        return not function(event)\n    return inner\n@turned\ndef check(event):\n    return event.get('name') == 'go'\ndef rule(event):\n    return check(event)\n",
    ),
    ("Lambda", "is_go = lambda event: event.get('name') == 'go'\ndef rule(event):\n    return is_go(event)\n"),
    ("ToDict", "def rule(event):\n    return event.to_dict().get('NAME') == 'go'\n"),
    ("Json", "import json\ndef rule(event):\n    return json.loads(event.get('url', '{}')) == {}\n"),
    ("AndOrder", "def rule(event):\n    return event.get('kind') == 'A' and event.get('a').lower() == 'x'\n"),
    ("OrOrder", "def rule(event):\n    return event.get('name') == 'go' or event.get('b').get('c') == 'y'\n"),
    (
        "Nested",
        "def rule(event):\n    if event.get('name') != 'go':\n        return False\n    if event.deep_get('b', 'e', 'f') != 1:\n        return False\n    return event.get('kind') in {'A', 'a'}\n",
    ),
    ("ChainedCompare", "def rule(event):\n    return 0 < event.get('n', 0) < 5\n"),
    ("ListOfDefault", "def rule(event):\n    return event.get('tags', ['red'])[0] == 'red'\n"),
    (
        "NextOf",
        "def rule(event):\n    return next((t for t in event.get('tags', []) if t.startswith('b')), '') == 'blue'\n",
    ),
    ("Negated", "def rule(event):\n    return not event.get('name') == 'go' and not event.get('t')\n"),
    ("AnyContainer", "def rule(event):\n    return any(x == 'x' for x in event.get('a', []))\n"),
    ("TextOf", "def rule(event):\n    return str(event.get('n')) == '3'\n"),
    ("DictDisplay", "def rule(event):\n    return {'go': 1, 'stop': 2}.get(event.get('name'), 0) == 1\n"),
    // Ways that only a guard closes, and what they are closed by.
    (
        "ClosedByPrefix",
        "def rule(event):\n    actor = event.deep_get('b', 'c', default=f\"no{event.get('kind')}\")\n    if actor.startswith('AWS'):\n        actor = actor.split(':')[1]\n    return actor == 'y' and event.get('name') == 'go'\n",
    ),
    (
        "ClosedByPrefixOfDefault",
        "def rule(event):\n    who = event.get('user', 'prod-none')\n    if who.startswith('prod'):\n        return who.split('-')[1] == 'none'\n    return event.get('name') == 'go'\n",
    ),
    (
        "ClosedByValue",
        "def rule(event):\n    if event.get('kind') == 'A':\n        return event['a'] == 'x'\n    return event.get('name') == 'go'\n",
    ),
    (
        "ClosedByAmong",
        "def rule(event):\n    if event.get('kind') in ('A', 'prod-1'):\n        return True\n    return event.get('name') == 'go'\n",
    ),
    (
        "ClosedByContains",
        "def rule(event):\n    if 'o' in event.get('user', 'o'):\n        return True\n    return event.get('name') == 'go'\n",
    ),
    (
        "ClosedByNone",
        "def rule(event):\n    if event.get('t') is not None:\n        return event['t']\n    return event.get('name') == 'go'\n",
    ),
    (
        "ClosedByClass",
        "def rule(event):\n    if not isinstance(event.get('a'), str):\n        return True\n    return event.get('name') == 'go'\n",
    ),
    (
        "ClosedByTruth",
        "def helper(event):\n    if event.deep_get('b', 'e'):\n        return object()\n    return None\ndef rule(event):\n    found = helper(event)\n    if found and found.x:\n        return True\n    return event.get('name') == 'go'\n",
    ),
    (
        "ClosedAnd",
        "def rule(event):\n    return event.get('name') == 'go' and event.get('kind') == 'A' and event['a'] == 'x'\n",
    ),
    (
        "ClosedOr",
        "def rule(event):\n    return event.get('kind') != 'A' or event['a'] == 'x' or event.get('name') == 'go'\n",
    ),
    // A ValueError and who takes it.
    (
        "Address",
        "import ipaddress\ndef rule(event):\n    try:\n        ipaddress.ip_address(event.get('a'))\n    except ValueError:\n        return False\n    return event.get('name') == 'go'\n",
    ),
    (
        "NoAddress",
        "import ipaddress\ndef rule(event):\n    known = False\n    try:\n        known = True\n        ipaddress.ip_address(event.get('url', '1.2.3.4'))\n        known = False\n    except (KeyError, ValueError):\n        return known and event.get('name') == 'go'\n    else:\n        return event.get('kind') == 'B'\n    return False\n",
    ),
    (
        "AddressInHelper",
        "from ipaddress import ip_address\ndef valid(text):\n    try:\n        ip_address(text)\n        return True\n    except ValueError:\n        return False\ndef rule(event):\n    return not valid(event.get('path', '10.0.0.1')) and event.get('name') == 'stop'\n",
    ),
    (
        "AddressOfAnother",
        "from ipaddress import ip_address\ndef rule(event):\n    try:\n        ip_address(event.get('path'))\n    except KeyError:\n        return False\n    return True\n",
    ),
    (
        "AddressThrough",
        "from ipaddress import ip_address\ndef version(text):\n    return ip_address(text)\ndef rule(event):\n    try:\n        version(event.get('path', '::1'))\n    except Exception:\n        return event.get('name') == 'stop'\n    return event.get('kind') == 'A'\n",
    ),
    // Patterns of names.
    ("Glob", "from fnmatch import fnmatch\ndef rule(event):\n    return fnmatch(event.get('path', ''), '/usr/*')\n"),
    (
        "Globs",
        "import fnmatch\nPATTERNS = ['p?od-*', '*x', 'go', '[ab]']\ndef rule(event):\n    return any(fnmatch.fnmatch(event.get('kind', 'A'), p) for p in PATTERNS)\n",
    ),
    ("GlobInner", "from fnmatch import fnmatch\ndef rule(event):\n    return fnmatch(event.get('url'), '*EXAMPLE*')\n"),
    // Functions as values, and dicts of constants.
    (
        "Lambdas",
        "def rule(event):\n    pick = {'go': lambda e: e.get('a'), 'stop': lambda e: e.get('n')}.get(event.get('name'))\n    if not pick:\n        return False\n    return pick(event) == 'x'\n",
    ),
    (
        "LambdaAsGlobal",
        "LAST = None\ndef rule(event):\n    global LAST\n    LAST = {'a': lambda e: e}\n    return event.get('name') == 'go'\ndef title(event):\n    return str(len(LAST))\n",
    ),
    ("DictOfConstants", "def rule(event):\n    return {'go': 1, 'stop': 0}.get(event.get('name'), 2) == 1\n"),
    ("DictWithTwins", "def rule(event):\n    return {'go': 1, 'go': 2}[event.get('name')] == 2\n"),
    // Globals that a rule resets for each event.
    (
        "PassingGlobal",
        "SEEN = {}\nKIND = ''\ndef rule(event):\n    \"\"\"Resets.\"\"\"\n    global SEEN, KIND\n    SEEN = {}\n    KIND = ''\n    if event.get('kind') != 'A':\n        return False\n    KIND = event.get('kind')\n    return event.get('name') == 'go'\ndef title(event):\n    return f'{KIND} {SEEN}'\n",
    ),
    (
        "PassingGlobalOfTwo",
        "SEEN = 'none'\ndef note(event):\n    global SEEN\n    SEEN = SEEN + str(event.get('name'))\ndef rule(event):\n    global SEEN\n    SEEN = 'x'\n    note(event)\n    return SEEN == 'xgo'\ndef title(event):\n    return SEEN\n",
    ),
    (
        "LastingGlobal",
        "LAST = ''\ndef rule(event):\n    global LAST\n    before = LAST\n    LAST = event.get('kind')\n    return before == 'A' and event.get('name') == 'go'\ndef title(event):\n    return str(LAST)\n",
    ),
    // Mocks of unit tests.
    (
        "OnlyMocked",
        "import json\nfrom unittest.mock import MagicMock\nALLOWED = ['go']\ndef rule(event):\n    global ALLOWED\n    if isinstance(ALLOWED, MagicMock):\n        ALLOWED = set(json.loads(ALLOWED()))\n    return event.get('name') in ALLOWED\n",
    ),
    (
        "NotOnlyMocked",
        "from unittest.mock import MagicMock\nALLOWED = ['go']\ndef rule(event):\n    global ALLOWED\n    if isinstance(ALLOWED, MagicMock) or event.get('kind') == 'B':\n        ALLOWED = ['stop']\n    return event.get('name') in ALLOWED\n",
    ),
    ("SplitOnce", "def rule(event):\n    return event.get('path', '').split('/', maxsplit=1)[-1] == 'etc/passwd'\n"),
    (
        "RSplit",
        "def rule(event):\n    return event.get('path', 'a.b').rsplit('/', maxsplit=1)[-1] in ('passwd', 'a.b')\n",
    ),
    ("RSplitAll", "def rule(event):\n    return event.get('url', '').rsplit('//')[0] == 'https:'\n"),
    (
        "AddressOfSource",
        "from ipaddress import ip_address\ndef rule(event):\n    try:\n        ip_address(event.get('source', '::1'))\n    except ValueError:\n        return event.get('name') in ('go', 'stop')\n    return event.get('kind') == 'A'\n",
    ),
    ("GlobWhole", "from fnmatch import fnmatch\ndef rule(event):\n    return fnmatch(event.get('path', ''), 'usr*')\n"),
];
