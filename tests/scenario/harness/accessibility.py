"""axe-core in a page: the rules of WCAG that a program can check."""

import json
import os

from .peers import node_modules
from .verdict import eventually

# Chromium's own tools carry the library, as a text of JavaScript in Lighthouse; so it is there wherever the browser is.
_LIGHTHOUSE = "devtools://devtools/bundled/third_party/lighthouse/lighthouse-dt-bundle.js"
_LITERAL = r"/`\/\*! axe v(?:[^`\\]|\\[^])*`/.exec(document.body?.textContent ?? '')?.[0] ?? ''"
_VERSION = "4.10.3"


def axe_source(browser):
    """The source of axe-core: the browser's, else that of the package for Node. The browser leaves its page."""
    browser.open(_LIGHTHOUSE)
    eventually(lambda: browser.run("document.readyState === 'complete' && location.protocol === 'devtools:'"), "the browser shows its file")
    literal = browser.run(_LITERAL)
    if literal:
        return browser.run(literal)
    with open(os.path.join(node_modules("axe-core", _VERSION)["NODE_PATH"], "axe-core/axe.min.js")) as file:
        return file.read()


def violations(browser, source):
    """["impact rule: element"] of the present page."""
    browser.run(source)
    found = json.loads(browser.run("axe.run(document, {resultTypes: ['violations']}).then((each) => JSON.stringify(each.violations))"))
    return [f"{each['impact']} {each['id']}: {node['html'][:120]}" for each in found for node in each["nodes"]]
