#!/usr/bin/env python3
"""testssl.sh looks at a listener with nothing but certificates in its settings."""

import json

from harness import Authority, NginxOrigin, check, run, run_tool, scaled, scenario, start_proxy

# testssl.sh's severities. A warning is about testssl.sh and its own openssl (its manual: "a client-side scanning error or
# problem"): a check that ends with one has said nothing of the listener.
WEAKNESS = ("LOW", "MEDIUM", "HIGH", "CRITICAL")
NOT_LOOKED = ("WARN", "FATAL")


@scenario("testssl.sh finds a weakness in a default listener", within=240)
def audit(s):
    authority = Authority(s)
    certificates = [authority.issue("shop.test", kind=kind) for kind in ("ecdsa", "rsa")]
    proxy = start_proxy(s, NginxOrigin(s), {"listeners": {"web": {"tls": {
        "certificates": [each.settings() for each in certificates]}}}})
    report = s.path("report.json")
    # protocols; at full scale also kinds of ciphers, forward secrecy and every vulnerability it knows
    tests = scaled(("-p",), ("-p", "-s", "-f", "-U"))
    said = run_tool("testssl", "--quiet", "--color", "0", "--warnings", "off", "-n", "none", "--openssl-timeout", "10",
                    *tests, "--jsonfile", report, "{}:{}".format(*proxy.address), within=200)
    with open(report, encoding="utf-8") as file:
        findings = {each["id"]: each for each in json.load(file) if each["severity"] not in NOT_LOOKED}
    for expected in ("TLS1_2", "TLS1_3", *scaled((), ("heartbleed", "ROBOT", "secure_client_renego", "LUCKY13"))):
        check(expected in findings, f"it did not look at {expected}:\n{said}")
    bad = [f"{each['id']}: {each['severity']}: {each['finding']}" for each in findings.values()
           if each["severity"] in WEAKNESS]
    check(not bad, "\n".join(bad))
    check("offered" in findings["TLS1_3"]["finding"], "TLS 1.3 is not offered")


run()
