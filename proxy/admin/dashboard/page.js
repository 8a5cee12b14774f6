// The dashboard: asks this server for its figures every two seconds while the page can be seen, and shows them.
// Everything that comes from the server goes in as text, never as markup.
import { Plot, Spark, clock } from "./plot.js";

const ROUND_MS = 2000;
const GIVE_UP_MS = 10000;
const UPSTREAMS_MOST = 100;
const ENDPOINTS_MOST = 50;
const LIMITS_MOST = 6;
const EVENTS_MOST = 200;
const WORDS_MOST = 5; // of the operator, above all
const KEEP_MS = 600000; // samples of our own, for the short window
const NEAR = 0.7, AT = 0.9; // shares of a limit that are worth a look, and a haste

const find = (id) => document.getElementById(id);

function make(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className ?? "";
  made.append(...children);
  return made;
}

// Without a change nothing is touched, so that a selection or a screen reader is not disturbed.
function say(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

function dress(element, className) {
  if (element.className !== className) {
    element.className = className;
  }
}

// ---- words for figures

const NONE = "–";
const known = (value) => value !== null && value !== undefined && Number.isFinite(value);

function count(value) {
  if (!known(value)) {
    return NONE;
  }
  const size = Math.abs(value);
  for (const [unit, letter] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= unit) {
      const scaled = value / (letter === "k" ? 1e3 : unit);
      return scaled.toFixed(Math.abs(scaled) < 100 ? 1 : 0) + letter;
    }
  }
  return Number.isInteger(value) || size >= 100 ? value.toFixed(0) : value.toFixed(size < 1 ? 2 : 1);
}

function bytes(value) {
  if (!known(value)) {
    return NONE;
  }
  const step = Math.min(Math.floor(Math.log2(Math.max(Math.abs(value), 1)) / 10), 5);
  const scaled = value / 1024 ** step;
  return `${step === 0 || Math.abs(scaled) >= 100 ? scaled.toFixed(0) : scaled.toFixed(1)} ${["B", "KiB", "MiB", "GiB", "TiB", "PiB"][step]}`;
}

function seconds(value) {
  if (!known(value)) {
    return NONE;
  }
  if (value < 1) {
    const ms = value * 1e3;
    return `${ms < 10 ? ms.toFixed(1) : ms.toFixed(0)} ms`;
  }
  return value < 120 ? `${value.toFixed(value < 10 ? 1 : 0)} s` : span(value);
}

function span(value) {
  if (!known(value)) {
    return NONE;
  }
  for (const [unit, word] of [[86400, "d"], [3600, "h"], [60, "min"]]) {
    if (value >= 2 * unit) {
      return `${(value / unit).toFixed(value < 10 * unit && unit > 60 ? 1 : 0)} ${word}`;
    }
  }
  return `${value.toFixed(0)} s`;
}

function percent(share) {
  return known(share) ? `${(share * 100).toFixed(share > 0 && share < 0.1 ? 1 : 0)}%` : NONE;
}

// 0: nothing was measured; very long: no time, but what keeps an endpoint that failed from being chosen
const timeOf = (ms) => ms > 0 && ms < 600e3 ? seconds(ms / 1e3) : NONE;
const amountOf = (name) => name.endsWith("_bytes") ? bytes : name.endsWith("_seconds") ? seconds : count;
const plural = (number, word) => `${count(number)} ${word}${number === 1 ? "" : "s"}`;
const nearness = (share) => share >= AT ? "bad" : share >= NEAR ? "warn" : "good";

// ---- what is known

const known_now = { ready: null, traffic: null, upstreams: [], bounds: [], memory: null, drift: null, status: null, events: [], history: null };
const live = { rates: [], errors: [], medians: [], tails: [] }; // samples of our own: [time, value]
let current = null; // figures of the last round: {rate, errors, median, tail}

// The least time within which this share of the values ends; in seconds.
function quantile(pairs, share) {
  const total = pairs.reduce((sum, [, number]) => sum + number, 0);
  let left = total * share;
  for (const [end, number] of pairs) {
    left -= number;
    if (left <= 0 && total > 0) {
      return end / 1e6;
    }
  }
  return null;
}

function durationsSince(before, now) {
  const had = new Map(before.duration_us);
  return now.duration_us.map(([end, number]) => [end, number - (had.get(end) ?? 0)]);
}

function errorShare(before, now) {
  const [all, failed] = ["2xx", "3xx", "4xx", "5xx"].reduce(([sum, bad], name) => {
    const more = now.responses[name] - before.responses[name];
    return [sum + more, bad + (name === "5xx" ? more : 0)];
  }, [0, 0]);
  return all > 0 ? failed / all : null;
}

// A new process counts from 0: then there is nothing to compare with.
function takeTraffic(now) {
  const before = known_now.traffic;
  known_now.traffic = now;
  if (before === null || now.requests < before.requests || now.now_ms <= before.now_ms) {
    return;
  }
  const durations = durationsSince(before, now);
  current = {
    rate: (now.requests - before.requests) / (now.now_ms - before.now_ms) * 1e3,
    errors: errorShare(before, now),
    median: quantile(durations, 0.5),
    tail: quantile(durations, 0.99),
  };
  const t = Date.now();
  for (const [line, value] of [[live.rates, current.rate], [live.errors, current.errors], [live.medians, current.median],
    [live.tails, current.tail]]) {
    line.push([t, value]);
    while (line[0][0] < t - KEEP_MS) {
      line.shift();
    }
  }
}

// ---- asking

class Refused extends Error {}

// Where the listener wants a token (admin.token_file), the browser has asked for it and sends it by itself.
const base = new URL(location.href);
base.username = base.password = "";

async function ask(path) {
  const response = await fetch(new URL(path, base), { cache: "no-store", signal: AbortSignal.timeout(GIVE_UP_MS) });
  if (response.status === 401) {
    throw new Refused();
  }
  if (!response.ok && response.status !== 503) {
    throw new Error(`${path} answers ${response.status}`);
  }
  return response.json();
}

const chosenWindow = () => document.querySelector("input[name=window]:checked").value;

// What is asked, how often at most, and who takes it. A page that takes long to write is asked for less often.
const sources = [
  { path: () => "readyz", every: ROUND_MS, take: (json) => { known_now.ready = json; } },
  { path: () => "traffic", every: ROUND_MS, take: takeTraffic },
  { path: () => "upstreams", every: ROUND_MS, take: (json) => { known_now.upstreams = json.upstreams; } },
  { path: () => "resources", every: ROUND_MS, take: (json) => { known_now.bounds = json.bounds; known_now.memory = json.memory; } },
  { path: () => "events", every: 2 * ROUND_MS, take: (json) => { known_now.events = json.events; } },
  { path: () => "drift", every: 5 * ROUND_MS, take: (json) => { known_now.drift = { ...json, at: Date.now() }; } },
  { path: () => "status", every: 15 * ROUND_MS, take: (json) => { known_now.status = json; } },
  { path: () => `history/${chosenWindow()}`, every: 5 * ROUND_MS, take: (json) => { known_now.history = { ...json, at: Date.now() }; } },
];

async function askAll() {
  for (const source of sources) {
    const began = performance.now();
    if ((source.due ?? 0) > began) {
      continue;
    }
    source.take(await ask(source.path()));
    const took = performance.now() - began;
    source.due = performance.now() + Math.max(source.every - ROUND_MS / 2, 10 * took);
  }
}

let answered = null; // time of the last whole round
let timer = null;

function showLive(state, text) {
  dress(find("live"), state);
  say(find("live"), text);
  document.body.classList.toggle("stale", state === "bad");
}

async function round() {
  timer = null;
  try {
    await askAll();
    answered = Date.now();
    showLive("good", `live, every ${ROUND_MS / 1e3} s`);
    showAll();
  } catch (fault) {
    showLive("bad", fault instanceof Refused ? "the token is no longer taken: load the page again"
      : `no answer${answered ? ` since ${clock(answered)}; these figures are of then` : ""}`);
  }
  if (!document.hidden && timer === null) {
    timer = setTimeout(round, ROUND_MS);
  }
}

// Nobody looks: nobody asks.
document.addEventListener("visibilitychange", () => {
  clearTimeout(timer);
  timer = null;
  if (document.hidden) {
    showLive("", "resting");
  } else {
    round();
  }
});

// ---- the head

function showState() {
  const { ready, status } = known_now;
  const draining = status?.draining || ready.state === "draining";
  dress(find("state"), `pill ${draining ? "warn" : ready.ready ? "good" : "bad"}`);
  say(find("state"), draining ? "draining" : ready.ready ? "ready" : "not ready");
  document.title = `${draining ? "draining" : ready.ready ? "ready" : "not ready"} · Evenkeel`;
}

function showFacts() {
  const { changes, at } = known_now.drift;
  const since_s = (Date.now() - at) / 1e3;
  const reload = known(changes.reloaded_s_ago) ? `reloaded ${span(changes.reloaded_s_ago + since_s)} ago` : "never reloaded";
  say(find("facts"), `version ${changes.version} · up ${span(changes.started_s_ago + since_s)} · generation ${changes.generation} · ${reload}` +
    (known_now.status ? ` · pid ${known_now.status.pid}` : ""));
}

const some = (names) => names.slice(0, 5).join(", ") + (names.length > 5 ? ` and ${names.length - 5} more` : "");

function* notices() {
  const { ready, status, drift, upstreams } = known_now;
  for (const missing of ready.ready ? [] : ready.missing) {
    yield ["bad", `Not ready: ${missing.words}`];
  }
  if (status?.draining) {
    yield ["warn", `Draining (${status.drain.stage}): ${seconds(status.drain.left_ms / 1e3)} of the grace are left`];
  }
  if (status && !status.reloads.last_ok && status.reloads.last) {
    yield ["bad", `The last reload was rejected: ${status.reloads.last_error}`];
  }
  for (const { resource, runbook, figures } of drift.resources.filter((each) => each.drifts)) {
    for (const each of figures.filter((figure) => figure.state === "drifting")) {
      const amount = amountOf(each.figure);
      yield ["warn", `Drifts: ${each.figure}${each.detail ? ` of ${each.detail}` : ""} grows by ${amount(each.slope_per_hour)} an hour` +
        `${known(each.left_s) ? `, its limit is met in ${span(each.left_s)}` : ""} (${resource}: ${runbook})`];
    }
  }
  const lost = upstreams.filter((each) => each.endpoints_healthy === 0 && each.endpoints.length > 0).map((each) => each.name);
  if (lost.length > 0) {
    yield ["bad", `No healthy endpoint: ${some(lost)}`];
  }
  for (const said of upstreams.flatMap((each) => [...wordsAbout(each)]).slice(0, WORDS_MOST)) {
    yield ["warn", `The operator has said: ${said}`];
  }
  const open = upstreams.filter((each) => isOpen(each.breaker.state)).map((each) => each.name);
  if (open.length > 0) {
    yield ["bad", `The breaker is open, requests are answered 503: ${some(open)}`];
  }
}

function showNotices() {
  const wanted = [...notices()];
  const text = JSON.stringify(wanted);
  if (find("notices").dataset.shown !== text) {
    find("notices").dataset.shown = text;
    find("notices").replaceChildren(...wanted.map(([level, words]) => make("li", `notice ${level}`, words)));
  }
}

// ---- limits

// While nothing is near its limit the same ones are shown, so that the eye finds them where they were.
const USUAL = ["resident_bytes", "fds", "clients", "upstream_in_flight", "upstream_queued", "endpoint_connections"];
const FAR = 0.2;

function rank(bound) {
  const place = USUAL.indexOf(bound.name);
  return bound.share >= FAR ? bound.share : place >= 0 ? -place : -USUAL.length - 1;
}

// One of a name is enough: that which is nearest.
function nearestLimits() {
  const nearest = new Map();
  for (const bound of [memoryBound(), ...known_now.bounds]) {
    if (bound.limit > 0 && !(nearest.get(bound.name)?.share >= bound.share) && !designedToFill(bound)) {
      nearest.set(bound.name, bound);
    }
  }
  return [...nearest.values()].sort((a, b) => rank(b) - rank(a)).slice(0, LIMITS_MOST);
}

// Memory is no bound, for nothing refuses it; what uses it is.
function memoryBound() {
  const { resident_bytes: used, budget_bytes: limit } = known_now.memory;
  const figure = known_now.drift.resources.flatMap((each) => each.figures).find((each) => each.figure === "resident_bytes");
  return { name: "resident_bytes", detail: null, used, limit, peak: used, refused: 0, share: used / limit, drift: figure?.state,
    left_s: figure?.left_s, slope_per_hour: figure?.slope_per_hour };
}

// Caches fill up and stay full, and warm connections are as many as they should be: that is no danger.
const FULL_BY_DESIGN = /^(tls_session|idle_connections|generations$)/;
const designedToFill = (bound) => FULL_BY_DESIGN.test(bound.name);

function limitCard() {
  const card = make("li", "limit");
  card.parts = { name: make("h3", "name"), detail: make("p", "detail"), share: make("p", "share"), bar: make("div", "bar", make("i")),
    use: make("p", "use"), left: make("p", "left") };
  card.append(...Object.values(card.parts));
  return card;
}

function showLimits() {
  const list = find("limits");
  const limits = nearestLimits();
  while (list.children.length < limits.length) {
    list.append(limitCard());
  }
  while (list.children.length > limits.length) {
    list.lastChild.remove();
  }
  limits.forEach((bound, number) => {
    const card = list.children[number], amount = amountOf(bound.name);
    dress(card, `limit ${nearness(bound.share)}`);
    say(card.parts.name, bound.name);
    say(card.parts.detail, bound.detail ?? "of the process");
    say(card.parts.share, percent(bound.share));
    card.parts.bar.firstChild.style.width = `${Math.min(bound.share, 1) * 100}%`;
    say(card.parts.use, `${amount(bound.used)} of ${amount(bound.limit)}`);
    say(card.parts.left, bound.drift === "drifting" && known(bound.left_s) ? `${span(bound.left_s)} left`
      : bound.refused > 0 ? `${count(bound.refused)} refused` : "");
  });
}

// ---- traffic

const plots = {
  rates: new Plot({ title: "Requests per second", names: ["requests"], format: count, least: 1 }),
  errors: new Plot({ title: "Responses 5xx", names: ["share"], format: percent, least: 0.01, most: 1 }),
  latency: new Plot({ title: "Time of responses", names: ["p99", "median"], format: seconds, least: 0.001 }),
};
find("plots").append(...Object.values(plots).map((plot) => plot.root));

const figureOf = (name, detail = null) =>
  known_now.history?.figures.find((each) => each.figure === name && each.detail === detail);

// The server's history, and our own samples from when they begin.
function line(name, own) {
  const { history } = known_now;
  const points = figureOf(name)?.points ?? [];
  const old = points.map((value, number) => [history.at - (points.length - 1 - number) * history.step_s * 1e3, value])
    .filter(([, value], number) => value !== null || !known(points[number - 1]) || !known(points[number + 1])); // one that is missing is bridged
  if (chosenWindow() !== "short" || own.length === 0) {
    return old;
  }
  return [...old.filter(([t]) => t < own[0][0]), ...own];
}

const MARKED = new Set(["reload", "upgrade", "drain", "breaker", "process"]);

// Of many of a kind one after the other, the first is enough.
function marks(apart_ms) {
  const last = new Map();
  return known_now.events.filter((event) => MARKED.has(event.kind) && (event.kind !== "breaker" || event.level !== "info"))
    .sort((a, b) => a.number - b.number)
    .map((event) => ({ at: Date.parse(event.time), kind: event.kind, level: event.level, text: `${event.time} ${event.text}` }))
    .filter(({ at, kind }) => {
      const apart = at - (last.get(kind) ?? 0) >= apart_ms;
      last.set(kind, at);
      return apart;
    });
}

function showPlots() {
  const { history } = known_now;
  const to = Date.now();
  const from = to - (history.step_s ?? 10) * 60 * 1e3;
  const found = marks((to - from) / 40);
  const rates = line("requests_per_second", live.rates), errors = line("error_share", live.errors);
  const tails = line("response_p99_seconds", live.tails), medians = line("response_median_seconds", live.medians);
  plots.rates.update([rates], found, from, to, current ? count(current.rate) : NONE);
  plots.errors.update([errors], found, from, to, percent(current?.errors));
  plots.latency.update([tails, medians], found, from, to, current ? `p99 ${seconds(current.tail)}` : NONE);
  document.querySelectorAll("#windows span").forEach((label, number) =>
    say(label, span(history.interval_s * 60 * [1, 6, 36][number])));
}

function showTallies() {
  const { traffic, upstreams } = known_now;
  const queued = upstreams.reduce((sum, each) => sum + each.queued, 0);
  const tallies = {
    "in flight": count(traffic.requests - traffic.finished), "in queues": count(queued), "clients": count(traffic.clients_open),
    "of them idle": count(traffic.clients_idle), "tunnels": count(traffic.tunnels_open), "requests": count(traffic.requests),
    "5xx": count(traffic.responses["5xx"]), "unanswered": count(traffic.responses.none), "sent": bytes(traffic.client_sent_bytes),
    "received": bytes(traffic.client_received_bytes),
  };
  const list = find("tallies");
  if (list.children.length === 0) {
    list.append(...Object.keys(tallies).map((name) => make("div", "", make("dt", "", name), make("dd"))));
  }
  Object.values(tallies).forEach((text, number) => say(list.children[number].lastChild, text));
}

// ---- tables: rows are kept by their key, and only what changes is touched

class Table {
  constructor(table, columns) {
    this.columns = columns;
    this.rows = new Map();
    const heads = columns.map(({ title, className }) => {
      const head = make("th", className, title);
      head.scope = "col";
      return head;
    });
    table.append(make("thead", "", make("tr", "", ...heads)));
    this.body = table.appendChild(make("tbody"));
  }

  row(key) {
    const row = make("tr");
    row.cells_of = this.columns.map(({ className, head, build }, number) => {
      const cell = row.appendChild(make(head ? "th" : "td", className));
      if (head) {
        cell.scope = "row";
      }
      return build ? build(cell, key, this, number) : cell;
    });
    this.rows.set(key, row);
    return row;
  }

  // The order is changed only if it has to be, so that the focus stays where it is.
  update(items, keyOf) {
    const wanted = items.flatMap((item) => {
      const key = keyOf(item);
      const row = this.rows.get(key) ?? this.row(key);
      this.columns.forEach(({ fill }, number) => fill(row.cells_of[number], item, row));
      return row.inner ? [row, row.inner] : [row];
    });
    const present = [...this.body.children];
    if (wanted.length !== present.length || wanted.some((row, number) => row !== present[number])) {
      const focused = document.activeElement;
      this.body.replaceChildren(...wanted);
      focused?.focus?.({ preventScroll: true });
    }
    for (const [key, row] of this.rows) {
      if (row.parentNode === null) {
        this.rows.delete(key);
      }
    }
  }
}

function buildMeter(cell) {
  const text = make("span", "text"), bar = make("div", "bar", make("i"));
  cell.append(text, bar);
  return { cell, text, bar };
}

function fillMeter({ text, bar }, words, share) {
  say(text, words);
  dress(bar, `bar ${nearness(share)}`);
  bar.firstChild.style.width = `${Math.min(Math.max(share, 0), 1) * 100}%`;
}

function buildSpark(cell) {
  const spark = new Spark();
  cell.append(spark.root);
  return spark;
}

// ---- upstreams

const isOpen = (state) => state === "open" || state === "forced_open";
const isTroubled = (upstream) => upstream.breaker.state !== "closed" || upstream.panic || upstream.maintenance ||
  upstream.endpoints_healthy < upstream.endpoints.length || upstream.capacity.utilisation >= NEAR;

const byWhom = (said) => said?.by ? ` by ${said.by}` : "";

function stateOf(upstream) {
  const { breaker, endpoints } = upstream;
  if (upstream.maintenance) {
    return ["warn", `maintenance${byWhom(upstream.maintenance)}`];
  }
  if (breaker.state !== "closed") {
    return [isOpen(breaker.state) ? "bad" : "warn", `breaker ${breaker.state.replace(/_/g, " ")}${byWhom(breaker.operator)}`];
  }
  if (endpoints.length === 0) {
    return ["bad", "no endpoint"];
  }
  if (upstream.endpoints_healthy < endpoints.length) {
    return [upstream.endpoints_healthy === 0 ? "bad" : "warn", `${upstream.endpoints_healthy} of ${endpoints.length} healthy`];
  }
  return ["good", `${endpoints.length} healthy`];
}

// ---- what the operator has said

function words(said) {
  const where = said.said_at ? `at ${said.said_at}` : "";
  const until = said.ends ? `until ${said.ends.replace("T", " ").replace("Z", "")}` : "";
  return [said.by ? `by ${said.by}` : "", where, until].filter((each) => each !== "").join(", ") + (said.reason ? `: ${said.reason}` : "");
}

function* wordsAbout(upstream) {
  const { name, maintenance, breaker, endpoints } = upstream;
  if (maintenance?.operator) {
    yield `${name} is closed ${words(maintenance)}`;
  }
  if (breaker.operator) {
    yield `the breaker of ${name} is ${breaker.state.replace(/_/g, " ")} ${words(breaker.operator)}`;
  }
  for (const { endpoint, operator } of endpoints.slice(0, ENDPOINTS_MOST).filter((each) => each.operator)) {
    yield `${endpoint} of ${name} is drained ${words(operator)}`;
  }
}

const sum = (list, of) => list.reduce((total, each) => total + of(each), 0);

function poolWords(upstream) {
  const { endpoints } = upstream;
  return `${count(sum(endpoints, (each) => each.connections.open))} open, ${count(sum(endpoints, (each) => each.connections.idle))} idle`;
}

let openRows = 0;

function buildName(cell, key, table) {
  const button = make("button", "opener", make("span", "sign"), make("span", "text"));
  button.type = "button";
  button.setAttribute("aria-expanded", "false");
  cell.append(button);
  button.addEventListener("click", () => {
    const row = table.rows.get(key);
    const open = button.getAttribute("aria-expanded") === "false";
    button.setAttribute("aria-expanded", String(open));
    if (open) {
      row.inner = endpointRow(table.columns.length, `endpoints-${++openRows}`);
      button.setAttribute("aria-controls", row.inner.firstChild.id);
      row.after(row.inner);
    } else {
      button.removeAttribute("aria-controls");
      row.inner.remove();
      row.inner = null;
    }
    showUpstreams();
  });
  return button.lastChild;
}

function endpointRow(columnCount, id) {
  const cell = make("td", "inner");
  cell.colSpan = columnCount;
  cell.id = id;
  const table = make("table", "endpoints");
  const facts = make("p", "facts");
  cell.append(facts, table);
  table.append(make("caption", "unseen", "Endpoints"));
  const row = make("tr", "inner", cell);
  row.table = new Table(table, endpointColumns);
  row.facts = facts;
  return row;
}

function fillInner(row, upstream) {
  const { retry_budget: budget, breaker, capacity } = upstream;
  say(row.facts, `Breaker ${breaker.state.replace(/_/g, " ")}, ${plural(breaker.openings, "opening")}; of ${plural(breaker.calls, "call")} lately ` +
    `${percent(breaker.failure_share)} failed. Retry budget: ${count(budget.left)} left, ${plural(budget.retries, "retry").replace("retrys", "retries")} of ` +
    `${plural(budget.requests, "request")} lately. Capacity about ${count(capacity.capacity_per_second)} answers a second, phase ${capacity.phase}.` +
    [...wordsAbout(upstream)].map((each) => ` The operator has said: ${each}.`).join(""));
  row.table.update(upstream.endpoints.slice(0, ENDPOINTS_MOST), (each) => `${each.endpoint} ${each.address}`);
}

const healthLevel = (endpoint) => endpoint.breaker !== "closed" ? (isOpen(endpoint.breaker) ? "bad" : "warn")
  : { up: "good", drained: "warn" }[endpoint.health.status] ?? "bad";

function lastFailure({ health }) {
  return health.last_failure ? `${health.last_failure.cause}${health.last_failure.status ? ` ${health.last_failure.status}` : ""}, ` +
    `${span(health.last_failure.ago_s)} ago` : NONE;
}

const endpointColumns = [
  { title: "Endpoint", head: true, fill: (cell, each) => say(cell, each.endpoint === each.address ? each.endpoint : `${each.endpoint} (${each.address})`) },
  { title: "Health", build: (cell) => cell.appendChild(make("span", "tag")), fill: (tag, each) => {
    dress(tag, `tag ${healthLevel(each)}`);
    say(tag, each.health.status + (each.operator ? ` ${words(each.operator)}` : each.health.why ? `: ${each.health.why}` : ""));
  } },
  { title: "Breaker", className: "wide", fill: (cell, each) => say(cell, each.breaker.replace(/_/g, " ")) },
  { title: "In flight", className: "number", fill: (cell, each) => say(cell, count(each.in_flight)) },
  { title: "Latency", className: "number", fill: (cell, each) => say(cell, timeOf(each.latency_ms)) },
  { title: "Open", className: "number wide", fill: (cell, each) => say(cell, count(each.connections.open)) },
  { title: "Idle", className: "number wide", fill: (cell, each) => say(cell, count(each.connections.idle)) },
  { title: "Reused", className: "number wide", fill: (cell, each) => say(cell, percent(each.reuse_ratio)) },
  { title: "Last failure", className: "wide", fill: (cell, each) => say(cell, lastFailure(each)) },
];

const upstreamTable = new Table(find("upstreams"), [
  { title: "Upstream", head: true, build: buildName, fill: (text, each, row) => {
    say(text, each.name);
    if (row.inner) {
      fillInner(row.inner, each);
    }
  } },
  { title: "State", build: (cell) => cell.appendChild(make("span", "tag")), fill: (tag, each) => {
    const [level, words] = stateOf(each);
    dress(tag, `tag ${level}`);
    say(tag, words + (each.panic ? ", panic" : ""));
  } },
  { title: "In flight", className: "meter", build: buildMeter, fill: (meter, each) =>
    fillMeter(meter, `${count(each.in_flight)} / ${count(each.in_flight_limit)}`, each.in_flight / each.in_flight_limit) },
  { title: "Queued", className: "number roomy", fill: (cell, each) => say(cell, count(each.queued)) },
  { title: "Capacity used", className: "number wide", fill: (cell, each) => {
    dress(cell, `number wide ${each.capacity.utilisation >= NEAR ? nearness(each.capacity.utilisation) : ""}`);
    say(cell, percent(each.capacity.utilisation));
  } },
  { title: "Answers/s", className: "number roomy", fill: (cell, each) => say(cell, count(each.capacity.answers_per_second)) },
  { title: "over time", className: "wide", build: buildSpark, fill: (spark, each) =>
    spark.update(figureOf("upstream_answers_per_second", each.name)?.points ?? []) },
  { title: "Median", className: "number wide", fill: (cell, each) => say(cell, timeOf(each.capacity.median_ms)) },
  { title: "p99", className: "number", fill: (cell, each) => say(cell, timeOf(each.capacity.p99_ms)) },
  { title: "Connections", className: "wide", fill: (cell, each) => say(cell, poolWords(each)) },
  { title: "Retries left", className: "number wide", fill: (cell, each) => say(cell, count(each.retry_budget.left)) },
]);

function showUpstreams() {
  const wanted = find("find").value.toLowerCase();
  const found = known_now.upstreams.filter((each) => each.name.toLowerCase().includes(wanted));
  const sorted = [...found.filter(isTroubled), ...found.filter((each) => !isTroubled(each))];
  upstreamTable.update(sorted.slice(0, UPSTREAMS_MOST), (each) => each.name);
  say(find("upstreams-more"), sorted.length > UPSTREAMS_MOST ? `${sorted.length - UPSTREAMS_MOST} more: find them by name`
    : sorted.length === 0 ? "No upstream has such a name." : "");
}

// ---- resources

const resourceTable = new Table(find("resources"), [
  { title: "Resource", head: true, build: (cell) => {
    cell.append(make("span", "name"), make("span", "detail"));
    return cell;
  }, fill: (cell, each) => {
    say(cell.firstChild, each.name);
    say(cell.lastChild, each.detail ?? "");
  } },
  { title: "In use", className: "meter", build: buildMeter, fill: (meter, each) =>
    fillMeter(meter, `${amountOf(each.name)(each.used)} / ${amountOf(each.name)(each.limit)}`, designedToFill(each) ? each.share * NEAR * 0.99 : each.share) },
  { title: "Peak", className: "number wide", fill: (cell, each) => say(cell, amountOf(each.name)(each.peak)) },
  { title: "over time", className: "wide", build: buildSpark, fill: (spark, each) =>
    spark.update(figureOf(each.name, each.detail)?.points ?? []) },
  { title: "Grows an hour", className: "number wide", fill: (cell, each) => {
    dress(cell, `number wide ${each.drift === "drifting" ? "warn" : "soft"}`);
    say(cell, known(each.slope_per_hour) && each.slope_per_hour > 0 ? amountOf(each.name)(each.slope_per_hour) : NONE);
  } },
  { title: "Time left", className: "number", fill: (cell, each) => {
    dress(cell, `number ${each.drift === "drifting" ? "warn" : "soft"}`);
    say(cell, known(each.left_s) && each.left_s < 100 * 86400 ? span(each.left_s) : NONE);
  } },
  { title: "Refused", className: "number", fill: (cell, each) => {
    dress(cell, `number ${each.refused > 0 ? "warn" : ""}`);
    say(cell, count(each.refused));
  } },
]);

// The process as a whole; of its parts, those that come near a limit.
function isTelling(bound) {
  return bound.refused > 0 || bound.drift === "drifting" ||
    (bound.detail === null ? bound.peak > 0 : bound.peak >= FAR * bound.limit);
}

function showResources() {
  const { bounds } = known_now;
  const wanted = [memoryBound(), ...bounds].filter((each) => find("all").checked || isTelling(each));
  const sorted = [...wanted.filter((each) => each.detail === null),
    ...wanted.filter((each) => each.detail !== null).sort((a, b) => b.share - a.share).slice(0, UPSTREAMS_MOST)];
  resourceTable.update(sorted, (each) => `${each.name} ${each.detail ?? ""}`);
  say(find("resources-more"), bounds.length >= sorted.length ? `${sorted.length} of ${bounds.length + 1} are shown.` : "");
}

// ---- events

function showKinds() {
  const select = find("kind");
  const there = new Set([...select.options].map((option) => option.value));
  for (const kind of new Set(known_now.events.map((event) => event.kind))) {
    if (!there.has(kind)) {
      select.add(new Option(kind, kind));
    }
  }
}

function showEvents() {
  const kind = find("kind").value;
  const wanted = known_now.events.filter((event) => kind === "" || event.kind === kind).sort((a, b) => b.number - a.number)
    .slice(0, EVENTS_MOST);
  const key = kind + wanted.map((event) => event.number).join();
  showKinds();
  if (find("events").dataset.shown === key) {
    return;
  }
  find("events").dataset.shown = key;
  find("events").replaceChildren(...wanted.map((event) => {
    const time = make("time", "", event.time.slice(0, 10) === new Date().toISOString().slice(0, 10) ? clock(Date.parse(event.time))
      : event.time.replace("T", " ").replace("Z", ""));
    time.dateTime = event.time;
    return make("li", event.level, time, make("span", `tag ${{ error: "bad", warn: "warn" }[event.level] ?? "plain"}`, event.kind),
      make("span", "words", event.text));
  }));
}

// ---- all of it

function showAll() {
  for (const show of [showState, showFacts, showNotices, showLimits, showPlots, showTallies, showUpstreams, showResources, showEvents]) {
    show();
  }
}

function shownAgain(show) {
  return () => answered && show();
}

find("find").addEventListener("input", shownAgain(showUpstreams));
find("all").addEventListener("change", shownAgain(showResources));
find("kind").addEventListener("change", shownAgain(showEvents));
find("windows").addEventListener("change", () => {
  sources.at(-1).due = 0;
  clearTimeout(timer);
  round();
});

round();
