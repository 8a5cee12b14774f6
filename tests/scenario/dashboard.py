"""The dashboard in a browser: Chromium loads it from the admin listener."""

import json
import os
import socket

from harness import Browser, RawOrigin, axe_source, check, check_equal, eventually, merge, run, scenario, start_proxy, violations

MARKUP = "<img src=x onerror=document.title='taken'>"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; "
          "form-action 'none'; frame-ancestors 'none'")


def begin(s, settings=None, **upstreams):
    """(proxy, its admin URL): behind a port, for a browser knows no UNIX sockets."""
    admin = f"127.0.0.1:{s.port()}"
    origin = RawOrigin(s)
    origin.on("/broken", status=500, reason="Broken")
    proxy = start_proxy(s, origin, merge(settings or {}, {
        "admin": {"listen": admin}, "drift": {"interval": "50ms"}, "upstreams": {"app": {"limits": {"in_flight": 10}}, **upstreams}}))
    return proxy, f"http://{admin}/"


def tally(browser, name):
    """A figure of the page's list."""
    return browser.run(f"[...document.querySelectorAll('#tallies div')].find((each) => each.firstChild.textContent === {json.dumps(name)})"
                       "?.lastChild.textContent")


def shown(browser, url):
    """The page has shown its first figures."""
    browser.open(url)
    eventually(lambda: browser.run("document.querySelector('#live')?.className") == "good", "the dashboard is live")


@scenario("the dashboard shows something else than the metrics, asks somebody else, or takes a text for markup", within=90)
def truth(s):
    proxy, url = begin(s, {"routes": [{"name": MARKUP, "upstream": "app", "shards": {"count": 2, "key": "client"}}]})
    for target in ["/"] * 20 + ["/broken"] * 4:
        proxy.get(target)
    browser = Browser(s)
    with s.case("the page may do nothing but ask this server"):
        shown(browser, url)
        headers = next(parameters["response"]["headers"] for method, parameters in browser.events
                       if method == "Network.responseReceived" and parameters["response"]["url"] == url)
        fields = {name.lower(): value for name, value in headers.items()}
        check_equal(fields.get("content-security-policy"), POLICY, "policy")
        check_equal(fields.get("x-content-type-options"), "nosniff", "types")
    with s.case("its figures are those of the metrics"):
        proxy.expect_count(24, "evenkeel_exchanges_started_total")
        proxy.expect_count(4, "evenkeel_responses_total", **{"class": "5xx"})
        eventually(lambda: (tally(browser, "requests"), tally(browser, "5xx")) == ("24", "4"), "requests and 5xx")
        check_equal(browser.texts("#state"), ["ready"], "state")
        check_equal(browser.texts("#upstreams tbody .opener .text"), ["app"], "upstreams")
        check(any(text.startswith("upstream_in_flight") for text in browser.texts("#limits li")), "limits")
    with s.case("they follow what happens, and a page that was just opened has the past"):
        proxy.get("/")
        eventually(lambda: tally(browser, "requests") == "25", "the next request is shown")
        eventually(lambda: browser.run("document.querySelector('.plot .line').getAttribute('d').length") > 40, "a line of requests")
    with s.case("a text is shown as a text"):
        proxy.admin("/upstreams/app/maintenance/on?by=ada&reason=%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D%27taken%27%3E", "POST")
        eventually(lambda: any(MARKUP in text for text in browser.texts("#events .words")), "the event is shown")
        browser.run("document.querySelector('#all').click()")
        eventually(lambda: any(MARKUP in text for text in browser.texts("#resources .detail")), "the route's shards are shown")
        check_equal(browser.run("document.querySelectorAll('main img').length"), 0, "elements made of text")
        check("taken" not in browser.run("document.title"), "the text has run")
        proxy.admin("/upstreams/app/maintenance/off", "POST")
    with s.case("nobody else was asked, and nothing went wrong"):
        check_equal([each for each in browser.asked_for() if not each.startswith(url)], [], "requests to elsewhere")
        check_equal(browser.complaints(), [], "complaints of the browser")
    with s.case("what the operator has said is shown with who said it, why and where"):
        origin = proxy.admin_json("/upstreams")["upstreams"][0]["endpoints"][0]["endpoint"]
        words = f"by ann, at {socket.gethostname()}: disk"
        proxy.admin(f"/upstreams/app/endpoints/{origin}/drain?by=ann&reason=disk", "POST")
        eventually(lambda: f"The operator has said: {origin} of app is drained {words}" in browser.texts("#notices li"), "the notice")
        browser.run("document.querySelector('#upstreams .opener').click()")
        eventually(lambda: f"drained {words}" in browser.texts(".endpoints .tag"), "the endpoint's row")
        eventually(lambda: any(f"{origin}: drained, said at" in text for text in browser.texts("#events .words")), "the event")
        proxy.admin(f"/upstreams/app/endpoints/{origin}/undrain", "POST")
        eventually(lambda: not any("drained" in text for text in browser.texts("#notices li")), "it is taken back")
    with s.case("without an answer it says so"):
        browser.ask("Network.emulateNetworkConditions", offline=True, latency=0, downloadThroughput=-1, uploadThroughput=-1)
        eventually(lambda: "no answer since" in browser.texts("#live")[0], "the page says that nobody answers")
        browser.ask("Network.emulateNetworkConditions", offline=False, latency=0, downloadThroughput=-1, uploadThroughput=-1)
        eventually(lambda: browser.run("document.querySelector('#live').className") == "good", "it is live again")
    with s.case("when nobody looks, it asks for nothing"):
        browser.run("Object.defineProperty(document, 'hidden', {value: true, configurable: true});"
                    "document.dispatchEvent(new Event('visibilitychange'))")
        check_equal(browser.texts("#live"), ["resting"], "what it says")
        browser.run("new Promise((done) => setTimeout(done, 300))")  # what was asked before is answered
        before = len(browser.asked_for())
        browser.run("new Promise((done) => setTimeout(done, 2500))")  # longer than a round
        check_equal(len(browser.asked_for()), before, "requests")


@scenario("what changed is forgotten, or the past and the totals of all routes are wrong")
def pages(s):
    proxy, _ = begin(s, {"log": {"level": "error"}})
    for _ in range(30):
        proxy.get("/")
    check(proxy.reload({"limits": {"clients": 300}}), "the reload is taken")
    check(not proxy.reload(text="nonsense"), "the reload is rejected")
    for number in range(40):  # more than are kept of a kind
        proxy.admin(f"/upstreams/app/maintenance/{'off' if number % 2 else 'on'}?by=ada", "POST")
    proxy.admin("/upstreams/app/breaker/open", "POST")
    with s.case("events are kept whatever the level of the log, each with its kind and level"):
        events = proxy.admin_json("/events")["events"]
        for kind, level, words in (("process", "info", "2 workers"), ("reload", "info", "generation 2"), ("reload", "error", "rejected"),
                                   ("breaker", "warn", "forced_open"), ("maintenance", "warn", "ada")):
            check(any((each["kind"], each["level"]) == (kind, level) and words in each["text"] for each in events),
                  f"{kind} {words}: {events}")
    with s.case("many of one kind hide no other, and the newest stay"):
        kept = sorted(each["number"] for each in events if each["kind"] == "maintenance")
        check_equal(len(kept), proxy.admin_json("/events")["kept_of_kind"], "kept of a kind")
        check(kept[0] > 40 - len(kept), f"numbers: {kept}")
        check_equal(len({each["number"] for each in events}), len(events), "different numbers")
    with s.case("the traffic is that of the metrics"):
        for count in ("evenkeel_exchanges_started_total", "evenkeel_responses_total", "evenkeel_exchange_duration_seconds_count"):
            proxy.expect_count(30, count)
        traffic = proxy.admin_json("/traffic")
        check_equal((traffic["requests"], traffic["responses"]["2xx"]), (30, 30), "requests and 2xx")
        check_equal(sum(count for _, count in traffic["duration_us"]), 30, "times")
    with s.case("the past of a figure is there at once"):
        def known():
            proxy.get("/")  # the past that is looked at is short
            rows = {(row["figure"], row["detail"]): row["points"] for row in proxy.admin_json("/history/short")["figures"]}
            return [rows[name, None] for name in ("requests_per_second", "response_p99_seconds", "clients") if (name, None) in rows]
        eventually(lambda: len(known()) == 3 and all(any(point is not None for point in points) for points in known()), "points")
        check_equal({len(points) for points in known()}, {60}, "points of a figure")
        for window, ticks in (("middle", 6), ("long", 36)):
            check_equal(round(proxy.admin_json(f"/history/{window}")["step_s"], 3), round(0.05 * ticks, 3), f"step of {window}")


@scenario("where a token is asked for, the dashboard stays empty", within=60)
def token(s):
    word = "a-word-that-only-operators-know-0123456789"
    path = s.write("token", word + "\n")
    os.chmod(path, 0o600)
    _, url = begin(s, {"admin": {"token_file": path}})
    browser = Browser(s)
    browser.open(url.replace("//", f"//operator:{word}@"))  # as if typed when asked: the browser remembers it for this server
    eventually(lambda: browser.run("document.readyState") == "complete", "the browser has the page")
    browser.events.clear()
    shown(browser, url)
    check_equal(browser.texts("#state"), ["ready"], "state")
    check_equal(browser.complaints(), [], "complaints of the browser")


@scenario("an operator without a mouse, with a telephone, or with weak eyes cannot use the dashboard", within=90)
def everybody(s):
    _, url = begin(s, shop={"endpoints": ["127.0.0.1:9", "127.0.0.1:10"]})
    browser = Browser(s)
    axe = axe_source(browser)
    browser.look(1280, 900)
    shown(browser, url)
    with s.case("the keyboard goes through all controls in the order in which they are seen"):
        seen = []
        for _ in range(12):
            browser.press("Tab")
            seen.append(browser.run("(e => e.matches('svg') ? 'img' : e.id || e.textContent.trim() || e.value)"
                                    "(document.activeElement)"))
        check_equal(seen[:2], ["Skip to the figures", "short"], "first")
        for one, next_one in (("img", "find"), ("find", "app"), ("shop", "all"), ("all", "kind")):
            check(one in seen and next_one in seen and seen.index(one) < seen.index(next_one), f"{one} before {next_one}: {seen}")
    with s.case("a row is opened by the keyboard, and the focus stays while figures change"):
        browser.run("document.querySelector('.opener').focus()")
        browser.press("Enter")
        check_equal(browser.run("document.activeElement.getAttribute('aria-expanded')"), "true", "expanded")
        check_equal(len(browser.texts(".endpoints tbody tr")), 1, "endpoints")
        before = browser.run("performance.getEntriesByType('resource').length")
        eventually(lambda: browser.run("performance.getEntriesByType('resource').length") > before + 4, "another round")
        check_equal(browser.run("document.activeElement.className"), "opener", "where the focus is")
        check(browser.run("getComputedStyle(document.activeElement).outlineStyle") != "none", "the focus cannot be seen")
    with s.case("a plot is read by the keyboard"):
        eventually(lambda: browser.run("document.querySelector('.plot .line').getAttribute('d').length") > 20, "a line")
        browser.run("document.querySelector('.plot svg').focus()")
        browser.press("ArrowLeft")
        check(":" in browser.texts(".plot .read")[0], f"what it reads: {browser.texts('.plot .read')}")
    for name, (width, height, dark, phone) in {"light": (1280, 900, False, False), "dark": (1280, 900, True, False),
                                               "telephone": (390, 800, True, True)}.items():
        with s.case(f"axe has nothing against it: {name}"):
            browser.look(width, height, dark, phone)
            check_equal(violations(browser, axe), [], "violations")
    with s.case("a telephone is wide enough"):
        check(browser.run("document.documentElement.scrollWidth") <= 390, f"{browser.run('document.documentElement.scrollWidth')} wide")
    s.note(f"axe {browser.run('axe.version')}")


run()
