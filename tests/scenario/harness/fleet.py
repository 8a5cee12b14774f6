"""Replicas of a fleet: how they are started, and what they say of it."""

import os
import secrets

from .proxy import start_proxy


def key_file(s, name="fleet.key", text=None):
    path = s.path(name)
    if not os.path.exists(path):
        with open(path, "w") as file:
            file.write(f"{text or secrets.token_hex(32)}\n")
        os.chmod(path, 0o600)
    return path


def replica(s, origin, name, fleet, **more):
    settings = {"workers": 1, "fleet": {"key_file": key_file(s), "timeout": "500ms", **fleet}, **more}
    return start_proxy(s, origin, settings, name=name)


def seen(proxy):
    return {each["id"] for each in proxy.admin_json("/fleet")["replicas"]}


def timeouts(proxy):
    return proxy.metric("evenkeel_fleet_store_faults_total", fault="timeout")


def fault(proxy):
    return proxy.admin_json("/fleet")["store"]["fault"]


def drained(proxy):
    return [each["health"]["status"] == "drained" for row in proxy.admin_json("/upstreams")["upstreams"]
            for each in row["endpoints"]]


def origins(proxy):
    """What /upstreams says of the operator's words on the upstream: endpoint, breaker, maintenance."""
    row = proxy.admin_json("/upstreams")["upstreams"][0]
    return row["endpoints"][0]["operator"], row["breaker"]["operator"], row["maintenance"]


def origin_of(said):
    return said and (said["by"], said["reason"], said["said_at"], said["since"] is not None, said["ends"] is not None)


def words(proxy):
    return {(each["subject"], each["name"], each["state"]): each for each in proxy.admin_json("/fleet")["words"]}
