"""The configurations that the documents print are configurations: `evenkeel -t` accepts each of them."""

import glob
import os
import re

from harness import Authority, check, check_equal, run, run_program, scenario

TOP = os.environ["top_srcdir"]
# What a fragment lacks, so that it can be tested whole.
REST = {
    "listeners": 'listeners = { web = { listen = "127.0.0.1:8080"; }; };',
    "upstreams": 'upstreams = { app = { endpoints = [ "127.0.0.1:8000" ]; }; };',
    "routes": 'routes = ( { name = "all"; upstream = "app"; } );',
}


def texts(*patterns):
    for pattern in patterns:
        for path in sorted(glob.glob(os.path.join(TOP, pattern), recursive=True)):
            with open(path) as file:
                yield os.path.relpath(path, TOP), file.read()


def sections(text):
    return set(re.findall(r"^\s*(listeners|upstreams|routes)\s*=", text, re.MULTILINE))


def fenced():
    """(place, marked as a configuration, text) of each fenced block."""
    for name, text in texts("README.md", "docs/**/*.md"):
        for block in re.finditer(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
            line = text.count("\n", 0, block.start()) + 1
            yield f"{name}:{line}", block[1] == "libconfig", block[2]


def manual_examples():
    for name, text in texts("docs/man/*"):
        for number, block in enumerate(re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", text, re.MULTILINE | re.DOTALL)):
            if sections(block):
                yield f"{name}, example {number + 1}", block


def config_maps():
    for name, text in texts("contrib/kubernetes/*.yaml"):
        for block in re.findall(r"^  evenkeel\.conf: \|\n((?:    .*\n|\n)+)", text, re.MULTILINE):
            yield name, block


def expect_accepted(s, files, place, text):
    """-t accepts the text; files that it names in /etc/evenkeel are given by kind, folders of logs and state are this scenario's."""
    for kind, path in files.items():
        text = re.sub(rf'\b{kind} = "/etc/[^"]*"', f'{kind} = "{path}"', text)
    text = re.sub(r'"/var/[^"]*"', f'"{s.path("file")}"', text)
    missing = REST.keys() - sections(text)
    s.write("document.conf", text + "\n" + "\n".join(REST[section] for section in sorted(missing)))
    done = run_program(s, "-t", "-c", "document.conf")
    check_equal(done.returncode, 0, f"exit code for {place}, after\n{done.stdout}{done.stderr}")


@scenario("a document shows a configuration that is not accepted")
def accepted(s):
    authority = Authority(s)
    certificate = authority.issue("shop.example")
    s.write("sorry.html", "<h1>sorry</h1>")
    os.mkdir(s.path("conf.d"))
    s.write("users", "ann:$2y$04$abcdefghijklmnopqrstuuyvPXIbu7xe6/CED2DzX8z6Si09MlzlW\n")
    s.write("seal.key", "0123456789abcdef" * 4)
    s.write("token", "0123456789abcdef" * 4)
    for secret in ("seal.key", "token"):
        os.chmod(s.path(secret), 0o600)
    files = {"cert": certificate.cert, "key": certificate.key, "ocsp": authority.vouch(certificate),
             "client_ca": authority.cert, "ca": authority.cert, "key_file": s.path("seal.key"), "file": s.path("users"),
             "token_file": s.path("token"), "password_file": s.path("token")}
    shown = [(place, text) for place, marked, text in fenced() if marked]
    with s.case("in README.md and docs/"):
        check(any(place.startswith("README.md") for place, _ in shown), "README.md shows no configuration")
        for place, text in shown:
            expect_accepted(s, files, place, text)
    with s.case("in the manual"):
        examples = list(manual_examples())
        check(examples, "the manual shows no configuration")
        for place, text in examples:
            expect_accepted(s, files, place, text)
    with s.case("in contrib/"):
        # Recipes are started by recipes.py.
        examples = [*config_maps(), *((place, text) for place, text in texts("contrib/**/*.conf", "contrib/*.conf.sample") if "/recipes/" not in place)]
        check(len(examples) >= 3, f"only {len(examples)} configurations are found")
        for place, text in examples:
            expect_accepted(s, files, place, text)


@scenario("a document shows a configuration that no test reads")
def marked_as_such(s):
    unmarked = [place for place, marked, text in fenced() if not marked and sections(text)]
    check(not unmarked, f"these blocks begin with ``` and not with ```libconfig: {unmarked}")


@scenario("a page of the admin listener is in no list of them")
def admin_pages(s):
    def shown(name):
        return next(text for _, text in texts(name))

    pages = [row for row in re.findall(r'^    \{"(/[^"]*)", ', shown("proxy/admin/admin.c"), re.MULTILINE) if not row.startswith("/dashboard/")]
    check("/fleet" in pages and "/routes/*/maintenance/on" in pages, f"the table of pages is not understood: {pages}")
    for place in ("docs/operations.md", "docs/man/evenkeel.8"):
        with s.case(place):
            text = re.sub(r"/(NAME|ADDR)\b", "/*", shown(place))
            firsts = [page for page in pages if page.split("/")[-1] not in ("middle", "long", "off", "undrain", "close", "auto")]
            check_equal([page for page in firsts if not re.search(rf"(?:[ `]){re.escape(page)}(?![\w*/])", text)], [], "pages that are missing")


run()
