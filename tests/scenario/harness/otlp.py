"""A collector of traces that takes nothing that OTLP's JSON mapping does not allow (opentelemetry-proto 1.3)."""

import json
import re
import threading

from .origin import RawOrigin
from .proxy import start_proxy
from .settings import merge
from .verdict import Failed, check, check_equal, eventually

_KINDS = {1: "INTERNAL", 2: "SERVER", 3: "CLIENT", 4: "PRODUCER", 5: "CONSUMER"}
_SPAN_KEYS = {
    "traceId", "spanId", "traceState", "parentSpanId", "flags", "name", "kind", "startTimeUnixNano", "endTimeUnixNano",
    "attributes", "droppedAttributesCount", "events", "droppedEventsCount", "links", "droppedLinksCount", "status"}
_VALUES = {"stringValue": str, "boolValue": bool, "intValue": str, "doubleValue": (int, float)}


def _id(text, digits):
    check(isinstance(text, str) and re.fullmatch(f"[0-9a-f]{{{digits}}}", text) and text.strip("0"), f"id {text!r}")
    return text


def _int64(text):
    check(isinstance(text, str) and re.fullmatch("-?[0-9]{1,19}", text), f"64-bit number {text!r} is no text of digits")
    return int(text)


def _only(group, keys, what):
    check(isinstance(group, dict) and set(group) <= set(keys), f"{what} has {sorted(set(group) - set(keys))}")
    return group


def _attributes(rows):
    """{key: value}; each key once, each value of one kind."""
    found = {}
    for row in rows:
        check_equal(set(row), {"key", "value"}, "keys of an attribute")
        (kind, value), = row["value"].items()
        check(kind in _VALUES and isinstance(value, _VALUES[kind]), f"{row['key']}: {kind} {value!r}")
        check(kind != "doubleValue" or not isinstance(value, bool), f"{row['key']}: {value!r}")
        check(row["key"] and row["key"] not in found, f"attribute {row['key']!r} twice")
        found[row["key"]] = _int64(value) if kind == "intValue" else value
    return found


class Span:
    """One span, checked."""

    def __init__(self, row):
        _only(row, _SPAN_KEYS, "a span")
        self.trace, self.id = _id(row["traceId"], 32), _id(row["spanId"], 16)
        self.parent = _id(row["parentSpanId"], 16) if "parentSpanId" in row else None
        self.state = row.get("traceState")
        self.name = row["name"]
        check(isinstance(self.name, str) and self.name, f"name {self.name!r}")
        check(isinstance(row["kind"], int), f"kind {row['kind']!r} is no number")
        self.kind = _KINDS[row["kind"]]
        self.start, self.end = _int64(row["startTimeUnixNano"]), _int64(row["endTimeUnixNano"])
        check(1e18 < self.start <= self.end < 1e19, f"from {self.start} to {self.end}")
        self.attributes = _attributes(row.get("attributes", []))
        self.status = _only(row.get("status", {}), ("code", "message"), "a status").get("code", 0)
        check(self.status in (0, 1, 2), f"status {self.status!r}")

    def __getitem__(self, key):
        return self.attributes.get(key)

    def __repr__(self):
        return f"{self.kind} {self.name} {self.attributes}"


def spans_of(body):
    """(resource, spans) of an ExportTraceServiceRequest."""
    found = []
    (of_resource,) = _only(json.loads(bytes(body).decode("utf-8")), ["resourceSpans"], "the request")["resourceSpans"]
    _only(of_resource, ("resource", "scopeSpans", "schemaUrl"), "resourceSpans")
    for scope in of_resource["scopeSpans"]:
        _only(scope, ("scope", "spans", "schemaUrl"), "scopeSpans")
        _only(scope["scope"], ("name", "version", "attributes", "droppedAttributesCount"), "a scope")
        found += [Span(row) for row in scope["spans"]]
    check(found, "a request without spans")
    return _attributes(_only(of_resource["resource"], ("attributes", "droppedAttributesCount"),
                             "a resource")["attributes"]), found


class Collector(RawOrigin):
    """Keeps the spans that it gets; `answer` (a function as those of RawOrigin) does something else instead."""

    def __init__(self, scenario, name="collector", **options):
        super().__init__(scenario, name, **options)
        self.spans, self.resource, self.faults, self.answer = [], None, [], None
        self._lock = threading.Lock()
        self.on("/", self._keep)

    @property
    def endpoint(self):
        return f"http://{self.address}/v1/traces"

    def _keep(self, connection, request):
        if self.answer:
            return self.answer(connection, request)
        try:
            check_equal((request.method, request.target, request.get("Content-Type")),
                        ("POST", "/v1/traces", "application/json"), "request")
            resource, spans = spans_of(request.body)
            with self._lock:
                self.resource = resource
                self.spans += spans
        except (Failed, ValueError, KeyError, TypeError) as fault:
            self.faults.append(f"{fault!r}: {bytes(request.body)[:2000]!r}")
            return connection.respond(400, b"bad")
        return connection.respond(200, b"{}", [("Content-Type", "application/json")])

    def judge(self):
        check(not self.faults, f"no OTLP: {self.faults[:1]}")

    def trace(self, trace_id, count, within=20.0):
        """The spans of a trace, once there are so many: (that of the server, those of its attempts by their start)."""
        def whole():
            self.judge()
            with self._lock:
                found = [span for span in self.spans if span.trace == trace_id]
            return len(found) >= count and found
        found = eventually(whole, lambda: f"{count} spans of {trace_id}: {[x for x in self.spans if x.trace == trace_id]}",
                           within)
        check_equal(len(found), count, f"spans of the trace: {found}")
        servers = [span for span in found if span.kind == "SERVER"]
        check_equal(len(servers), 1, "spans of the server")
        attempts = sorted((span for span in found if span.kind == "CLIENT"),
                          key=lambda span: (span.start, span["http.request.resend_count"] or 0))
        check_equal({span.parent for span in attempts} - {servers[0].id}, set(), "other parents of attempts")
        check_equal(len({span.id for span in found}), count, "ids of spans")
        for span in attempts:
            check(servers[0].start <= span.start and span.end <= servers[0].end,
                  f"an attempt is outside of its request: {found}")
        return servers[0], attempts


PARENT = "00f067aa0ba902b7"


def trace_of(number):
    return f"{number:032x}"


def parented(number, flags="01"):
    """The field of a request that belongs to this trace."""
    return [("traceparent", f"00-{trace_of(number)}-{PARENT}-{flags}")]


def traced(s, endpoints, collector, tracing=None, **settings):
    """A proxy whose spans go to the collector, soon and all of them."""
    return start_proxy(s, endpoints, merge({"workers": 1, "tracing": {
        "endpoint": collector.endpoint, "sample": 1.0, "delay": "100ms", **(tracing or {})}}, settings))


def losses(proxy):
    """The spans that nobody gets, by reason."""
    return {reason: int(proxy.metric("evenkeel_trace_spans_dropped_total", reason=reason))
            for reason in ("queue_full", "collector_failed", "collector_refused", "end")}


def exports(proxy):
    """The requests to the collector, by result."""
    return {result: int(proxy.metric("evenkeel_trace_exports_total", result=result))
            for result in ("taken", "put_off", "refused", "failed")}
