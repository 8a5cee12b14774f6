"""A configuration in many files, and with values from the environment: all of it counts, and errors name their place."""

import os

from harness import RawOrigin, check, check_equal, run, run_program, scenario, start_proxy

MAIN = """listeners = { web = { listen = "127.0.0.1:8080"; }; };
include = [ "conf.d/*.conf" ];
upstreams = { app = { endpoints = "127.0.0.1:8000"; }; };
routes = ( { name = "all"; upstream = "app"; } );
"""
SHOP = """# of the shop
upstreams = { shop = { endpoints = "127.0.0.1:8001"; }; };
routes = ( { name = "shop"; host = "shop.example"; upstream = "shop"; } )
"""


def refused(s, *words, name="main.conf", env=None):
    done = program_with(s, env, "-t", "-c", name)
    check_equal(done.returncode, 1, f"exit code, after\n{done.stdout}{done.stderr}")
    check(any(all(word in row for word in words) for row in done.stderr.splitlines()), f"no {words} in\n{done.stderr}")


def program_with(s, env, *arguments):
    before = dict(os.environ)
    os.environ.update(env or {})
    try:
        return run_program(s, *arguments)
    finally:
        os.environ.clear()
        os.environ.update(before)


def names(s, section):
    """The names in a section of the effective configuration, in its order."""
    done = run_program(s, "-T", "-c", "main.conf")
    check_equal(done.returncode, 0, f"exit code, after\n{done.stderr}")
    text = done.stdout.split(f"\n{section} = ")[1].split("\n);")[0]
    return [row.split('"')[1] for row in text.splitlines() if row.startswith("    name = ")]


@scenario("files of an include key do not count, or not in their order")
def order(s):
    os.mkdir(s.path("conf.d"))
    s.write("main.conf", MAIN)
    with s.case("no file yet"):
        check_equal(names(s, "routes"), ["all"], "routes")
    s.write("conf.d/20-shop.conf", SHOP)
    s.write("conf.d/10-blog.conf", SHOP.replace("shop", "blog"))
    s.write("conf.d/30-other.txt", "not read")
    with s.case("in the order of their names, where the key stands"):
        check_equal(names(s, "routes"), ["blog", "shop", "all"], "routes")
    with s.case("behind the others if it stands there"):
        s.write("main.conf", MAIN.replace('include = [ "conf.d/*.conf" ];\n', "") + 'include = "conf.d/*.conf"')
        check_equal(names(s, "routes"), ["all", "blog", "shop"], "routes")
    with s.case("relative to the including file, at every level"):
        s.write("main.conf", MAIN.replace("conf.d/*.conf", "conf.d/20-shop.conf"))
        s.write("conf.d/20-shop.conf", 'include = [ "more/x.conf", ];\n' + SHOP)
        os.mkdir(s.path("conf.d/more"))
        s.write("conf.d/more/x.conf", SHOP.replace("shop", "x"))
        check_equal(names(s, "routes"), ["x", "shop", "all"], "routes")
    with s.case("several hundred groups"):
        s.write("main.conf", MAIN)
        s.write("conf.d/20-shop.conf", "upstreams = {" + "".join(
            f'u{number} = {{ endpoints = "127.0.0.1:9"; }};\n' for number in range(400)) + "};\n")
        done = run_program(s, "-T", "-c", "main.conf")
        check_equal(done.stdout.count('endpoints = [ "127.0.0.1:9" ]'), 400, "upstreams of the file")


@scenario("a file that begins with the mark of UTF-8, as some editors write it, is not understood")
def marked(s):
    os.mkdir(s.path("conf.d"))
    s.write("main.conf", "\ufeff" + MAIN)
    s.write("conf.d/shop.conf", "\ufeff" + SHOP.removeprefix("# of the shop\n"))
    check_equal(names(s, "routes"), ["shop", "all"], "routes")


@scenario("an error in an included file is taken, or misplaced")
def wrong(s):
    os.mkdir(s.path("conf.d"))
    s.write("main.conf", MAIN)
    for what, text, *words in (
            ("an unknown key", SHOP.replace("endpoints", "endpoint"), "conf.d/shop.conf:2:", "endpoints"),
            ("an unknown upstream", SHOP.replace('upstream = "shop"', 'upstream = "shap"'), "conf.d/shop.conf:3:", '"shop"'),
            ("a name of another file", SHOP.replace("shop =", "app ="), "main.conf:3:", "conf.d/shop.conf:2"),
            ("a key of the process", "workers = 1;\n", "conf.d/shop.conf:1:", "main file"),
            ("a group without end", "upstreams = { x = {\n", "conf.d/shop.conf:2:", "not closed"),
            ("a file that includes itself", 'include = "shop.conf";\n', "conf.d/shop.conf:1:", "too deeply")):
        with s.case(what):
            s.write("conf.d/shop.conf", text)
            refused(s, *words)
    os.unlink(s.path("conf.d/shop.conf"))
    with s.case("a missing file without wildcards"):
        s.write("main.conf", MAIN.replace("conf.d/*.conf", "conf.d/shop.conf"))
        refused(s, "main.conf:2:", "no such file")
    with s.case("no text"):
        s.write("main.conf", MAIN.replace('[ "conf.d/*.conf" ]', "yes"))
        refused(s, "main.conf:2:", 'include = [ "conf.d/*.conf" ]')


@scenario("a value of the environment is not used, or breaks out of its text")
def environment(s):
    with_host = SHOP.replace('"shop.example"', '"${SHOP_HOST:-shop.example}"')
    s.write("main.conf", MAIN.replace('include = [ "conf.d/*.conf" ];', 'include = [ "${PARTS:-.}/shop.conf" ];'))
    s.write("shop.conf", with_host)
    for env, host in (({}, "shop.example"), ({"SHOP_HOST": ""}, "shop.example"), ({"SHOP_HOST": "a.test"}, "a.test")):
        with s.case(f"default or value: {env}"):
            done = program_with(s, env, "-T", "-c", "main.conf")
            check(f'"{host}"' in done.stdout, f"no {host} in\n{done.stdout}{done.stderr}")
    with s.case("quotes, backslashes and lines stay in the text"):
        evil = '"; }; workers = 3;\n\\'
        done = program_with(s, {"SHOP_HOST": evil}, "-t", "-c", "main.conf")
        check("shop.conf:3: routes.[0].host" in done.stderr and "expected a host" in done.stderr, f"said\n{done.stderr}")
    with s.case("one that is missing"):
        s.write("shop.conf", SHOP.replace("shop.example", "${NO_SUCH_NAME}"))
        refused(s, "shop.conf:3:", "NO_SUCH_NAME", ":-default")
    with s.case("no name"):
        s.write("shop.conf", SHOP.replace("shop.example", "${a b}"))
        refused(s, "shop.conf:3:", '"${NAME}"')
    with s.case("$${ is a plain ${"):
        s.write("shop.conf", SHOP.replace('host = "shop.example"', 'path_prefix = "/$${x}"'))
        s.write("dumped.conf", run_program(s, "-T", "-c", "main.conf").stdout)
        check_equal(run_program(s, "-T", "-c", "dumped.conf").stdout.count('"/$${x}"'), 1, "in the dump of the dump")


@scenario("a reload does not see a file that was added or removed")
def reloaded(s):
    os.mkdir(s.path("conf.d"))
    origin, more = RawOrigin(s), RawOrigin(s, "more")
    origin.on("/", status=200)
    more.on("/", status=201)
    proxy = start_proxy(s, origin)
    text = 'include = "conf.d/*.conf";\n' + proxy.text()
    check(proxy.reload(text=text), "the reload is rejected")
    check_equal(proxy.get("/").status, 200, "status before")
    s.write("conf.d/more.conf", f'upstreams = {{ more = {{ endpoints = "{more.address}"; }}; }};\n'
                                'routes = ( { name = "more"; path_prefix = "/"; upstream = "more"; } );\n')
    check(proxy.reload(text=text), "the reload is rejected")
    check_equal(proxy.get("/").status, 201, "status with the file")
    s.write("conf.d/more.conf", "upstreams = { };\nnonsense = 1;\n")
    check(not proxy.reload(text=text), "a bad file is taken")
    check_equal(proxy.get("/").status, 201, "status with a bad file")
    os.unlink(s.path("conf.d/more.conf"))
    check(proxy.reload(text=text), "the reload is rejected")
    check_equal(proxy.get("/").status, 200, "status without the file")


run()
