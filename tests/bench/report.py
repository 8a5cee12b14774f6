"""What a run found: tables for people, JSON for programs."""

from figures import Summary, better_peer, paired_ratio
from measure import KINDS
from proxies import CANDIDATES

_WIDTH = 26
_COLUMN = 15


class Result:
    """The samples of one row, by candidate, and why it is void if it is."""

    def __init__(self, row):
        self.row = row
        self.samples = {}
        self.void = None

    def add(self, name, sample):
        self.samples.setdefault(name, []).append(sample)

    def summary(self, name, figure="value"):
        """None if there is no sample."""
        samples = self.samples.get(name)
        return Summary(sample[figure] for sample in samples) if samples else None

    def ratio(self):
        """(the better peer, the summary of Evenkeel's figure ÷ its figure); None without both."""
        peers = {name: self.summary(name).median for name in self.samples if CANDIDATES[name].is_peer}
        mine = [name for name in self.samples if name == "evenkeel"]
        peer = better_peer(peers)
        if self.void or peer is None or not mine:
            return None
        values = [[sample["value"] for sample in self.samples[name]] for name in (mine[0], peer)]
        return peer, paired_ratio(*values)

    def goal_met(self):
        """None where it cannot be said."""
        mine = [name for name in self.samples if name == "evenkeel"]
        if self.void or not mine:
            return None
        if "goal_figure" in self.row:
            return self.summary(mine[0]).median <= self.row["goal_figure"]
        ratio = self.ratio()
        return None if ratio is None else ratio[1].median <= self.row["goal"]

    def as_dict(self):
        ratio = self.ratio()
        return {
            "name": self.row["name"], "title": self.row["title"], "kind": self.row["kind"], "void": self.void,
            "goal": self.row.get("goal"), "goal_figure": self.row.get("goal_figure"), "goal_met": self.goal_met(),
            "better_peer": ratio[0] if ratio else None,
            "ratio": ratio[1].as_dict() if ratio else None,
            "candidates": {name: {figure: self.summary(name, figure).as_dict() for figure in samples[0]}
                           for name, samples in self.samples.items()},
        }


def tables(results, names):
    """The report as text."""
    blocks = []
    for kind, (_, _, title, _) in KINDS.items():
        chosen = [result for result in results if result.row["kind"] == kind]
        if chosen:
            blocks.append(_figures_table(title, chosen, names))
    timed = [result for result in results if result.row["kind"] == "cpu" and not result.void]
    if timed:
        blocks.append(_load_table(timed, names))
        blocks.append(_warnings(timed))
    return "\n".join(block for block in blocks if block)


def _figures_table(title, results, names):
    lines = [title, _line("", [*names, "ratio", "goal"])]
    for result in results:
        lines.append(_line(result.row["title"], _figures_row(result, names)))
        if result.row["kind"] == "memory" and not result.void:
            held = [f"{result.summary(name, 'before_bytes').median / 1024:.0f} KiB" if name in result.samples else "-"
                    for name in names]
            lines.append(_line("  held before them", held))
        if result.row["kind"] == "instructions" and not result.void and "evenkeel" in result.samples:
            policy = result.summary("evenkeel", "policy").median
            verdict = "met" if policy <= result.row["goal_policy"] else "MISSED"
            lines.append(f"  of Evenkeel's, policy: {policy:.0f}; goal <= {result.row['goal_policy']} {verdict}")
    return "\n".join(lines) + "\n"


def _figures_row(result, names):
    if result.void:
        return ["VOID"]
    cells = []
    for name in names:
        summary = result.summary(name)
        if summary is None:
            cells.append("-")
        elif len(summary.samples) == 1:
            cells.append(_number(summary.median))
        else:
            cells.append(f"{_number(summary.median)} ±{100 * summary.spread:.0f}%")
    ratio = result.ratio()
    if ratio is None:
        cells.append("-")
    elif len(ratio[1].samples) == 1:
        cells.append(f"{ratio[1].median:.2f}")
    else:
        cells.append(f"{ratio[1].median:.2f} ({ratio[1].low:.2f}-{ratio[1].high:.2f})")
    goal = f"<= {result.row['goal_figure']}" if "goal_figure" in result.row else f"<= {result.row['goal']:.2f}"
    verdict = {None: "", True: " met", False: " MISSED"}[result.goal_met()]
    return [*cells, goal + verdict]


def _load_table(results, names):
    lines = ["For information: requests/s, p99 in ms, share of the time that the proxy's core was busy",
             _line("", names, 24)]
    for result in results:
        cells = []
        for name in names:
            if name in result.samples:
                rate, p99, busy = (result.summary(name, figure).median
                                   for figure in ("requests_per_second", "p99_ms", "busy"))
                cells.append(f"{rate:.0f}/s {p99:.2f} {100 * busy:.0f}%")
            else:
                cells.append("-")
        lines.append(_line(result.row["title"], cells, 24))
    return "\n".join(lines) + "\n"


def _warnings(results):
    lines = []
    for result in results:
        for name in result.samples:
            contended, idle, busy = (result.summary(name, figure).median
                                     for figure in ("contended", "idle_candidates", "busy"))
            where = f"{result.row['name']}, {name}"
            if contended > 0.05:
                lines.append(f"{where}: other programs took {100 * contended:.0f}% of the proxy's core")
            if idle > 0.01:
                lines.append(f"{where}: the idle candidates used {100 * idle:.1f}% of the core")
            if busy < 0.9:
                lines.append(f"{where}: the core was busy for {100 * busy:.0f}% only; something else was the limit")
    return "\n".join(["Read with care:", *lines]) + "\n" if lines else ""


def _line(title, cells, width=_COLUMN):
    return f"{title:<{_WIDTH}}" + "".join(f" {cell:>{width}}" for cell in cells)


def _number(value):
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}"


def breakdown_text(name, row, table, shown=40):
    """A profile by function."""
    total = sum(own for own, _, _, _ in table)
    lines = [f"User instructions per request of {name}, row {row['name']}: {total:.0f} in the functions listed",
             f"{'own':>10} {'share':>6} {'with callees':>13}  function"]
    for own, inclusive, function, where in table[:shown]:
        lines.append(f"{own:>10.1f} {100 * own / total:>5.1f}% {inclusive:>13.1f}  {function}  [{where}]")
    return "\n".join(lines)
