"""Evenkeel's configuration language (libconfig), written from Python values.

dict: a group; list or tuple of dicts: a list; list of plain values: an array. Scenarios state only
what matters to them; merge() puts it over the defaults of the harness.
"""


class Address(str):
    """host:port as one string, and as the pair that sockets take."""

    @property
    def pair(self):
        host, _, port = self.rpartition(":")
        return host.strip("[]"), int(port)

    @property
    def port(self):
        return self.pair[1]


def merge(base, over):
    """`over` laid on `base`: groups merge, everything else is replaced; None removes the key."""
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            merged[key] = merge(merged[key], value)
        else:
            merged[key] = value
    return merged


def render(settings):
    """The text of a configuration file."""
    return "".join(f"{key} = {_value(value, 0)};\n" for key, value in settings.items())


def _value(value, depth):
    inner = "  " * (depth + 1)
    if isinstance(value, dict):
        rows = "".join(f"{inner}{key} = {_value(each, depth + 1)};\n" for key, each in value.items())
        return f"{{\n{rows}{'  ' * depth}}}"
    if isinstance(value, (list, tuple)):
        items = [_value(each, depth + 1) for each in value]
        if value and isinstance(value[0], dict):
            return f"( {', '.join(items)} )"
        return f"[ {', '.join(items)} ]" if items else "[ ]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    escaped = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
