"""Real clients and real origins at speed: nothing fails, and every byte is the right one."""

from harness import (HaproxyOrigin, NginxOrigin, check, check_equal, curl, get, h2load, run, scaled, scenario,
                     start_proxy, wrk)

BOTH = ("evenkeel", "nginx")


@scenario("wrk or h2load sees a failed request", within=120, proxies=BOTH)
def clean_load(s):
    origin = NginxOrigin(s)
    for name, size in (("128", 128), ("10k", 10240), ("100k", 102400), ("1m", 1 << 20)):
        origin.publish(name, b"e" * size)
    proxy = start_proxy(s, origin, {"workers": 2})
    seconds = scaled(1, 10)
    for name in ("128", "10k", "100k", "1m"):
        with s.case(f"wrk, 64 connections, /{name}"):
            s.note(f"{wrk(f'{proxy.url}/{name}', seconds, 64).expect_clean().requests} requests")
    with s.case("h2load, every response complete"):
        h2load(f"{proxy.url}/10k", scaled(10000, 200000), 50).expect_clean()
    with s.case("wrk with pipelining, 16 deep"):
        script = s.write("pipeline.lua", """
init = function(args)
    local r = {}
    for i = 1, 16 do r[i] = wrk.format(nil, "/128?" .. i) end
    request_all = table.concat(r)
end
request = function() return request_all end
""")
        wrk(proxy.url, seconds, 16, script=script).expect_clean()
    with s.case("wrk with browser-sized headers"):
        headers = [(f"X-Header-{n}", "v" * 60) for n in range(12)] + [("Cookie", "c" * 800)]
        wrk(f"{proxy.url}/128", seconds, 32, headers=headers).expect_clean()
    with s.case("wrk with request bodies"):
        script = s.write("post.lua", 'wrk.method = "POST"\nwrk.body = string.rep("b", 20000)\n')
        wrk(f"{proxy.url}/hello", seconds, 32, script=script).expect_clean()
    with s.case("connections that serve one request each"):
        wrk(f"{proxy.url}/128", seconds, 16, headers=[("Connection", "close")]).expect_clean()


@scenario("HAProxy behind us objects to a message that we wrote", within=60, proxies=BOTH)
def strict_peer(s):
    origin = NginxOrigin(s)
    origin.publish("page", b"p" * 50000)
    haproxy = HaproxyOrigin(s, origin)
    proxy = start_proxy(s, haproxy)
    wrk(f"{proxy.url}/page", scaled(1, 10), 16).expect_clean()
    path = s.write("body", b"b" * 300000)
    with s.case("chunked uploads by curl"):
        for number in range(10):
            done = curl("-w", "%{http_code}", "-H", "Transfer-Encoding: chunked", "-H", "Expect:", "-T", path,
                        f"{proxy.url}/put/{number}")
            check(done.text[-3:] in ("201", "204"), f"curl: {done.text} {done.error}")
    with s.case("uploads of a known length by curl"):
        done = curl("-w", "%{http_code}", "-T", path, f"{proxy.url}/put/known")
        check(done.text[-3:] in ("201", "204"), f"curl: {done.text} {done.error}")
        check_equal(curl(f"{proxy.url}/put/known").out, b"b" * 300000, "what is stored")
    with s.case("HAProxy behind HAProxy's own rules: HEAD, ranges, 304"):
        first = curl("-I", f"{proxy.url}/page")
        check(b"Content-Length: 50000" in first.out, f"HEAD: {first.text}")
        etag = [row[6:].strip() for row in first.text.splitlines() if row.lower().startswith("etag:")][0]
        response = get(proxy.address, "/page", [("If-None-Match", etag)])
        check_equal((response.status, len(response.body)), (304, 0), "conditional request")
        check_equal(len(curl("-r", "10-19", f"{proxy.url}/page").out), 10, "bytes of a range")


@scenario("HAProxy in front of us is refused or misread", within=60, proxies=BOTH)
def proxy_in_front(s):
    origin = NginxOrigin(s)
    origin.publish("page", b"p" * 50000)
    proxy = start_proxy(s, origin)

    class Behind:
        address = "{}:{}".format(*proxy.address)

    front = HaproxyOrigin(s, Behind, "haproxy-front")
    wrk(f"http://{front.address}/page", scaled(1, 10), 16).expect_clean()
    h2load(f"http://{front.address}/page", 2000, 16).expect_clean()


run()
