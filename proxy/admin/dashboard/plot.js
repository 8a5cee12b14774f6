// Plots and sparklines in SVG. Everything that comes from the server goes in as text or as a number, never as markup.
// Time is in milliseconds of the browser's clock; a point is [time, value], and a value of null is a gap.

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 600;
const HEIGHT = 120;

function draw(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  return element;
}

// The next of 1, 2, 5, 10, 20, ... that is not below the value.
function nice(value) {
  const unit = 10 ** Math.floor(Math.log10(value));
  return [1, 2, 5, 10].map((step) => step * unit).find((top) => top >= value * 0.999) ?? value;
}

// Points between two gaps.
function runs(points) {
  const found = [[]];
  for (const point of points) {
    if (point[1] === null) {
      found.push([]);
    } else {
      found.at(-1).push(point);
    }
  }
  return found.filter((run) => run.length > 0);
}

function linePath(points, x, y) {
  return runs(points)
    .map((run) => "M" + run.map(([t, v]) => `${x(t).toFixed(1)},${y(v).toFixed(1)}`).join("L") + "h0")
    .join("");
}

function areaPath(points, x, y, bottom) {
  return runs(points)
    .map((run) => `M${x(run[0][0]).toFixed(1)},${bottom}L` + run.map(([t, v]) => `${x(t).toFixed(1)},${y(v).toFixed(1)}`).join("L") +
      `L${x(run.at(-1)[0]).toFixed(1)},${bottom}Z`)
    .join("");
}

export function clock(t, seconds = true) {
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
  return new Date(t).toLocaleTimeString("en-GB", seconds ? { ...options, second: "2-digit" } : options);
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

// A card: title, the value now, and lines over time. The pointer and the arrow keys move a cursor over it.
export class Plot {
  constructor({ title, names, format, least, most = Infinity }) {
    Object.assign(this, { title, names, format, least, most, lines: names.map(() => []), marks: [], from: 0, to: 1, at: null });
    this.now = element("p", "now");
    this.read = element("p", "read");
    this.read.setAttribute("aria-live", "polite");
    this.top = element("span", "top");
    this.begin = element("span", "begin");
    this.svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", tabindex: "0" });
    this.area = this.svg.appendChild(draw("path", { class: "area" }));
    this.grid = this.svg.appendChild(draw("path", { class: "grid", d: `M0,${HEIGHT / 2}H${WIDTH}M0,.5H${WIDTH}M0,${HEIGHT - 0.5}H${WIDTH}` }));
    this.signs = this.svg.appendChild(draw("g", { class: "signs" }));
    this.paths = names.map((_, number) => this.svg.appendChild(draw("path", { class: `line line-${number}` })));
    this.cursor = this.svg.appendChild(draw("path", { class: "cursor" }));
    const legend = names.length > 1
      ? names.map((name, number) => element("span", `key key-${number}`, name)) : [];
    this.root = element("article", "plot", element("div", "head", element("h3", "", title), this.now),
      element("div", "field", this.svg, this.top, this.read),
      element("div", "foot", this.begin, element("span", "keys", ...legend), element("span", "end", "now")));
    this.listen();
  }

  listen() {
    this.svg.addEventListener("pointermove", (event) => {
      const box = this.svg.getBoundingClientRect();
      this.point(this.from + (event.clientX - box.left) / box.width * (this.to - this.from));
    });
    for (const end of ["pointerleave", "blur"]) {
      this.svg.addEventListener(end, () => this.point(null));
    }
    this.svg.addEventListener("keydown", (event) => {
      const times = this.lines[0].map(([t]) => t);
      const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
      if (!(event.key in steps) || times.length === 0) {
        return;
      }
      const present = this.at === null ? times.length : times.findIndex((t) => t >= this.at);
      const next = Math.min(Math.max(present + steps[event.key], 0), times.length - 1);
      this.point(times[next]);
      event.preventDefault();
    });
  }

  // Moves the cursor to the sample nearest to this time; null: away.
  point(t) {
    this.at = t === null || this.lines[0].length === 0 ? null
      : this.lines[0].reduce((best, [each]) => Math.abs(each - t) < Math.abs(best - t) ? each : best, Infinity);
    this.showCursor();
  }

  showCursor() {
    if (this.at === null || this.at < this.from) {
      this.cursor.setAttribute("d", "");
      this.read.textContent = "";
      return;
    }
    const values = this.lines.map((line, number) => {
      const found = line.find(([t]) => t >= this.at);
      return `${this.names.length > 1 ? this.names[number] + " " : ""}${found && found[1] !== null ? this.format(found[1]) : "–"}`;
    });
    this.cursor.setAttribute("d", `M${this.x(this.at).toFixed(1)},0V${HEIGHT}`);
    this.read.textContent = `${clock(this.at)}: ${values.join(", ")}`;
  }

  x(t) {
    return (t - this.from) / (this.to - this.from) * WIDTH;
  }

  // lines: a list of points for each name; marks: [{at, level, text}]
  update(lines, marks, from, to, now) {
    const inside = lines.map((line) => line.filter(([t]) => t >= from && t <= to));
    const values = inside.flat().map(([, value]) => value).filter((value) => value !== null);
    const top = Math.min(nice(Math.max(this.least, ...values)), this.most);
    const y = (value) => HEIGHT - Math.min(value / top, 1) * (HEIGHT - 2) - 1;
    Object.assign(this, { lines: inside, from, to });
    this.paths.forEach((path, number) => path.setAttribute("d", linePath(inside[number], (t) => this.x(t), y)));
    this.area.setAttribute("d", areaPath(inside[0], (t) => this.x(t), y, HEIGHT));
    this.showMarks(marks.filter((mark) => mark.at >= from && mark.at <= to));
    this.top.textContent = this.format(top);
    this.begin.textContent = clock(from, false);
    this.now.textContent = now;
    const most = values.length > 0 ? this.format(Math.max(...values)) : "unknown";
    this.svg.setAttribute("aria-label", `${this.title}: now ${now}; at most ${most} since ${clock(from, false)}`);
    this.showCursor();
  }

  showMarks(marks) {
    this.signs.replaceChildren(...marks.map((mark) => {
      const sign = draw("path", { class: `sign ${mark.level}`, d: `M${this.x(mark.at).toFixed(1)},0V${HEIGHT}` });
      const title = draw("title", {});
      title.textContent = mark.text;
      sign.append(title);
      return sign;
    }));
  }
}

// A line without axes; values may be null.
export class Spark {
  constructor() {
    this.root = draw("svg", { viewBox: "0 0 90 20", preserveAspectRatio: "none", class: "spark", "aria-hidden": "true" });
    this.area = this.root.appendChild(draw("path", { class: "area" }));
    this.path = this.root.appendChild(draw("path", { class: "line" }));
    this.shown = null;
  }

  update(values) {
    const text = values.join();
    if (text === this.shown) {
      return;
    }
    this.shown = text;
    const known = values.filter((value) => value !== null);
    const top = Math.max(...known, 0);
    const points = values.map((value, number) => [number, value]);
    const x = (number) => values.length > 1 ? number / (values.length - 1) * 90 : 0;
    const y = (value) => top > 0 ? 19 - value / top * 17 : 19;
    this.path.setAttribute("d", linePath(points, x, y));
    this.area.setAttribute("d", areaPath(points, x, y, 20));
  }
}
