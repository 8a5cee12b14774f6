"""evenkeel -t prints the production checklist: for people, and as the JSON that docs/checklist.schema.json promises."""

import json
import os
import re
import resource

from harness import Authority, check, check_equal, run, run_program, scenario

TOP = os.environ["top_srcdir"]
# some machines allow more descriptors than any configuration asks for
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))


def text_of(name):
    with open(os.path.join(TOP, name)) as file:
        return file.read()


SCHEMA = json.loads(text_of("docs/checklist.schema.json"))


def faults(value, schema, place="$"):
    """What is against the schema, as far as this one goes."""
    kinds = {"object": dict, "array": list, "string": str, "boolean": bool}
    if "type" in schema and not isinstance(value, kinds[schema["type"]]):
        yield f"{place} is no {schema['type']}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{place} is {value!r}"
    if "pattern" in schema and not re.search(schema["pattern"], value):
        yield f"{place} is {value!r}"
    if isinstance(value, dict):
        yield from (f"{place} lacks {key}" for key in schema["required"] if key not in value)
        yield from (f"{place}.{key} is not in the schema" for key in value if key not in schema["properties"])
        for key in value.keys() & schema["properties"].keys():
            yield from faults(value[key], schema["properties"][key], f"{place}.{key}")
    if isinstance(value, list):
        if len(value) < schema.get("minItems", 0):
            yield f"{place} is empty"
        for number, each in enumerate(value):
            yield from faults(each, schema["items"], f"{place}[{number}]")


def configuration(s, *rows, upstream="", endpoints='"127.0.0.1:1"', route="", upstreams=""):
    """A good file, with rows more, and with keys more of its upstream and its route."""
    text = [f'admin = {{ listen = "unix:{s.path("admin.sock")}"; }};',
            f'listeners = {{ web = {{ listen = "unix:{s.path("web.sock")}"; }}; }};',
            f"upstreams = {{ app = {{ endpoints = [ {endpoints} ]; {upstream} }}; {upstreams} }};",
            f'routes = ( {{ name = "all"; upstream = "app"; {route} }} );']
    return s.write("list.conf", "\n".join([*text, *rows]) + "\n")


def as_json(s, path):
    """What -t --json prints, in the form that is promised."""
    done = run_program(s, "-t", "--json", "-c", path)
    said = json.loads(done.stdout)
    check_equal((done.stderr, list(faults(said, SCHEMA))), ("", []), "standard error, faults against the schema")
    check_equal((done.returncode == 0, said["file"]), (said["valid"], path), "exit code and validity, file")
    return said


def answers(s, path):
    """{id: [(verdict, text)]}."""
    checklist = as_json(s, path)["checklist"]
    return {item["id"]: [(each["verdict"], each["text"]) for each in item["answers"]] for item in checklist}


@scenario("the JSON of -t is not what the schema promises")
def promised(s):
    with s.case("a good file has no errors, no warnings, and a checklist"):
        said = as_json(s, configuration(s))
        check_equal((said["valid"], said["errors"], said["warnings"]), (True, [], []), "valid, errors, warnings")
        ids = [item["id"] for item in said["checklist"]]
        check_equal((len(set(ids)), len(ids) > 20), (len(ids), True), "ids")
    with s.case("a file with errors has them with their lines, and no checklist"):
        said = as_json(s, configuration(s, "no_such_key = 1;", "workers = -1;"))
        lines = [re.search(r"list\.conf:(\d+): ", each)[1] for each in said["errors"]]
        check_equal(lines, ["5", "6"], "lines of the errors")
        check_equal((said["valid"], said["checklist"]), (False, []), "valid, checklist")
    with s.case("a file that does not exist is an error"):
        check("nowhere.conf" in as_json(s, s.path("nowhere.conf"))["errors"][0], "it is not named")
    with s.case("warnings are told"):
        said = as_json(s, configuration(s, upstream="tls = { enabled = true; verify = false; };"))
        check_equal((said["valid"], said["warnings"] != []), (True, True), "valid, warnings")
    with s.case("what a start would find, too"):
        said = as_json(s, configuration(s, 'user = "nobody-of-this-name";'))
        check_equal((said["valid"], len(said["errors"])), (False, 1), "valid, errors")
        check("nobody-of-this-name" in said["errors"][0], f"said {said['errors']}")
    with s.case("quotes and bytes that are no text break nothing"):
        as_json(s, configuration(s, route='path_prefix = "/\\"q\\\\"; header = "X: \\xff";'))
    with s.case("--json alone is a wrong command line"):
        check_equal(run_program(s, "--json", "-c", configuration(s)).returncode, 2, "exit code")


@scenario("people are told something else than programs")
def both(s):
    path = configuration(s, upstream="breaker = { enabled = false; };")
    done = run_program(s, "-t", "-c", path)
    check_equal((done.returncode, done.stderr), (0, ""), "exit code, standard error")
    shown = done.stdout.splitlines()
    check("valid" in shown[0], f"the first line is {shown[0]!r}")
    told = [(item["id"], item["docs"], each) for item in as_json(s, path)["checklist"] for each in item["answers"]]
    rows = [f"{each['verdict']:<7} {name}: {each['text']}" + ("" if each["verdict"] == "met" else f" ({docs})")
            for name, docs, each in told]
    check_equal(shown[1:], rows, "the checklist for people")


@scenario("the documentation of the checklist is not that of the program, or leads nowhere")
def documented(s):
    items = as_json(s, configuration(s))["checklist"]
    with s.case("every question is in the operator's page, in the same words and order"):
        section = text_of("docs/operations.md").split("\n## Production checklist\n")[1].split("\n## ")[0]
        rows = re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section, re.M)
        check_equal(rows, [(item["id"], item["question"]) for item in items], "rows")
    for item in items:
        name, _, anchor = item["docs"].partition("#")
        with s.case(f"{item['id']}: {item['docs']} is there"):
            headings = re.findall(r"(?m)^#+ (.*)$", text_of(name))
            anchors = [re.sub(r"[^a-z0-9 -]", "", row.lower()).replace(" ", "-") for row in headings]
            check(not anchor or anchor in anchors, f"{name} has no section {anchor}")


# id, verdict, part of what is said, keys of the file
BAD = (
    ("memory", "warning", "limits.memory (1048576 MiB)", {"rows": ['limits = { memory = "1024GiB"; };']}),
    ("descriptors", "warning", "LimitNOFILE", {"rows": ["limits = { clients = 1000000; };"]}),
    ("queues", "advice", "lower limits.queue", {"upstream": "limits = { in_flight = 10; queue = 100; };"}),
    ("pools", "advice", "raise pool.max", {"upstream": "limits = { in_flight = 100; }; pool = { max = 10; };"}),
    ("pools", "advice", "pool.lifetime (120 min)", {"upstream": 'pool = { lifetime = "2h"; };'}),
    ("deadlines", "advice", "timeouts.connect (20000 ms)", {"upstream": 'timeouts = { connect = "20s"; };'}),
    ("retries", "advice", "retry.budget.ratio (0.5)", {"upstream": "retry = { budget = { ratio = 0.5; }; };"}),
    ("breakers", "advice", "breaker.enabled is false", {"upstream": "breaker = { enabled = false; };"}),
    ("drain", "advice", "raise drain.grace", {"rows": ['drain = { grace = "5s"; };']}),
    ("readiness", "advice", "no upstream is required", {"upstream": "required = false;"}),
    ("readiness", "advice", "readiness.pools is 0", {"rows": ["readiness = { pools = 0.0; };"]}),
    ("trusted_peers", "warning", "forge", {"rows": ['trusted_peers = [ "0.0.0.0/0" ];']}),
    ("upstream_trust", "advice", "tls.ca", {"upstream": "tls = { enabled = true; verify = false; };"}),
    ("compression", "warning", "BREACH", {"rows": ["compress = { enabled = true; secrets = true; };"]}),
    ("routes", "advice", "404", {"route": 'path_prefix = "/x";'}),
)
# id, part of what is said, keys of the file
ASKED = (
    ("endpoints", "one endpoint, 127.0.0.1:1", {}),
    ("logs", "log.access.path", {}),
    ("warm_state", "warm_state.path", {}),
    ("tenants", "shards", {}),
    ("on_call", "three", {}),
)
MET = (
    ("endpoints", {"endpoints": '"127.0.0.1:1", "127.0.0.1:2"'}), ("endpoints", {"endpoints": '"app.example:80"'}),
    ("warm_state", {"rows": ['warm_state = { path = "warm"; };']}),
    ("logs", {"rows": ['log = { access = { path = "stdout"; }; };']}),
    ("tenants", {"route": 'shards = { count = 4; key = "header:X-Tenant"; };'}),
    ("tenants", {"route": "rate = { per_second = 10.0; };"}),
    ("retries", {"upstream": "retry = { budget = { ratio = 0.5; per_minute = 60; }; };"}),
    ("drain", {"rows": ['drain = { grace = "90s"; };']}),
    ("routes", {}), ("admin", {}), ("breakers", {}),
)


@scenario("a configuration that somebody will regret is called good, or a good one bad")
def judged(s):
    known = {}

    def of(name, keys):
        if str(keys) not in known:
            more = {key: value for key, value in keys.items() if key != "rows"}
            known[str(keys)] = answers(s, configuration(s, *keys.get("rows", []), **more))
        return known[str(keys)][name]

    for name, verdict, words, keys in BAD:
        with s.case(f"{name}: {words} is {verdict}"):
            found = of(name, keys)
            check(any(said == verdict and words in text for said, text in found), f"{found}")
    for name, words, keys in ASKED:
        with s.case(f"{name}: {words} is asked"):
            check(any(said == "ask" and words in text for said, text in of(name, keys)), "it is not")
    for name, keys in MET:
        with s.case(f"{name} is met by {keys or 'the defaults'}"):
            found = of(name, keys)
            check(found and all(said == "met" and text for said, text in found), f"{found}")
    with s.case("an admin listener for others is met by a token, and by a firewall"):
        token = s.write("token", "0123456789abcdef\n")
        os.chmod(token, 0o600)
        path = configuration(s)
        with open(path) as file:
            text = file.read()
        guarded = f'admin = {{ listen = "0.0.0.0:{s.port()}"; token_file = "{token}"; }};'
        s.write("list.conf", re.sub(r"(?m)^admin = .*$", guarded, text))
        (verdict, words), = answers(s, path)["admin"]
        check(verdict == "ask" and "plain text" in words, f"{verdict}: {words}")
    with s.case("TLS to an upstream that is verified is met"):
        ca = Authority(s).cert
        (verdict, _), = of("upstream_trust", {"upstream": f'tls = {{ enabled = true; ca = "{ca}"; }};'})
        check_equal(verdict, "met", "verdict")


def of_fleet(s, *rows, tickets="", store='store = [ "127.0.0.1:1" ];', words="", route=""):
    """What is said of an hour without the store: {first words: (verdict, rest)}."""
    key = s.write("fleet.key", "0123456789abcdef" * 4 + "\n")
    os.chmod(key, 0o600)
    fleet = f'fleet = {{ {store} key_file = "{key}"; {words} }};' if store else ""
    found = answers(s, configuration(s, fleet, *([f"tls_tickets = {{ {tickets} }};"] if tickets else []), *rows,
                                     route=route))["fleet"]
    return {text.split(":")[0]: (verdict, text) for verdict, text in found}


@scenario("nobody knows what an hour without the store does, until it happens")
def hour(s):
    def said(found, first, verdict, words):
        check(first in found, f"nothing is said of {first}: {found}")
        check_equal(found[first][0], verdict, f"verdict on {first}")
        check(words in found[first][1], f"{first}: {found[first][1]}")

    with s.case("without a store, nothing"):
        check_equal(list(of_fleet(s, store="")), ["nothing"], "answers")
    with s.case("a paragraph for each thing that is shared"):
        found = of_fleet(s)
        check_equal(list(found), ["requests", "ticket keys", "warm state", "the operator's word"], "answers")
        said(found, "requests", "met", "at most fleet.timeout (1000 ms)")
        said(found, "ticket keys", "met", "only after tls_tickets.rotate (480 min)")
        said(found, "warm state", "ask", "one that starts is cold")
        said(found, "the operator's word", "met", "at the others when the store is back")
    with s.case("what is not shared is not spoken of"):
        check_equal(list(of_fleet(s, words="ticket_keys = false; warm_state = false; operator = false;")), ["requests"], "answers")
    with s.case("sentinels are a store, too"):
        check("ticket keys" in of_fleet(s, store='sentinel = { addresses = [ "127.0.0.1:1" ]; };'), "nothing is said")
    with s.case("keys that do not last an hour"):
        said(of_fleet(s, tickets='rotate = "30m";'), "ticket keys", "advice", "after tls_tickets.rotate (30 min) each replica makes its own")
    with s.case("rates that hold over the fleet, and no others"):
        said(of_fleet(s, route="rate = { per_second = 10.0; fleet = true; };"), "rates over the fleet", "ask", "the rate divided by the replicas seen last")
        check("rates over the fleet" not in of_fleet(s, route="rate = { per_second = 10.0; };"), "one of its own is spoken of")
    with s.case("a file beside the store"):
        said(of_fleet(s, 'warm_state = { path = "warm"; };'), "warm state", "met", "takes warm_state.path (warm)")
    with s.case("people read the same"):
        done = run_program(s, "-t", "-c", s.path("list.conf"))
        check("met     fleet: ticket keys: replicas go on with those they have" in done.stdout, done.stdout)


@scenario("of very many upstreams with one fault every one is told")
def many(s):
    more = " ".join(f'u{number} = {{ endpoints = [ "127.0.0.1:{number + 2}" ]; breaker = {{ enabled = false; }}; }};'
                    for number in range(50))
    found = answers(s, configuration(s, upstreams=more))
    check_equal([verdict for verdict, _ in found["breakers"]], ["advice"] * 11, "breakers")
    check_equal(found["breakers"][-1][1], "and 40 more like these", "what is said of the others")
    check_equal([verdict for verdict, _ in found["endpoints"]], ["ask"] * 11, "endpoints")


run()
