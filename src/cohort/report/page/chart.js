// Line charts as SVG: several runs over each other, stages marked, a cursor under the pointer or the keys.
import {el, svg} from "./dom.js";
import {number} from "./format.js";

const EDGE = {left: 44, right: 12, top: 10, bottom: 22};

export function ticksOf(low, high, count = 4) {
  const rough = Math.max((high - low) / count, Number.MIN_VALUE);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map(f => f * power).find(s => s >= rough * 0.999);
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  return Array.from({length: Math.max(last, first + 1) - first + 1}, (_, i) => (first + i) * step);
}

export function rangeOf(values) {
  const known = values.filter(v => v !== null);
  let low = Math.min(...known), high = Math.max(...known);
  if (!known.length) return [0, 1];
  if (high - low <= 1e-9 * Math.max(Math.abs(low), Math.abs(high))) {
    const reach = Math.abs(high) / 10 || 1;
    return high ? [low - reach, high + reach] : [0, 1];
  }
  if (low > 0 && low < 0.5 * high) low = 0;
  if (high < 0 && high > 0.5 * low) high = 0;
  return [low, high];
}

export function smoothed(values, weight) {
  let sum = 0, mass = 0;
  return values.map(value => {
    if (value === null) return null;
    sum = weight * sum + (1 - weight) * value;
    mass = weight * mass + (1 - weight);
    return sum / mass;
  });
}

function pathOf(steps, values, x, y) {
  let path = "", open = false;
  values.forEach((value, i) => {
    if (value === null) { open = false; return; }
    path += `${open ? "L" : "M"}${x(steps[i]).toFixed(1)} ${y(value).toFixed(1)}`;
    open = true;
  });
  return path;
}

function bandOf(one, x, y) {
  const known = one.steps.map((step, i) => [step, one.low[i], one.high[i]])
    .filter(([, low, high]) => low !== null && high !== null);
  if (known.length < 2) return "";
  const there = known.map(([step, , high]) => `${x(step).toFixed(1)} ${y(high).toFixed(1)}`);
  const back = known.reverse().map(([step, low]) => `${x(step).toFixed(1)} ${y(low).toFixed(1)}`);
  return `M${there.join("L")}L${back.join("L")}Z`;
}

function label(value, ticks) {
  const gap = ticks[1] - ticks[0];
  const digits = Math.max(0, -Math.floor(Math.log10(gap) + 1e-9));
  if (!digits) return number(Math.round(value));
  return digits <= 4 && Math.abs(value) < 1e5 ? value.toFixed(digits).replace("-", "−") : number(value, 3);
}

function nearestTo(steps, wanted) {
  let low = 0, high = steps.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (steps[middle] < wanted) low = middle; else high = middle;
  }
  return Math.abs(steps[high] - wanted) < Math.abs(steps[low] - wanted) ? high : low;
}

function frame(size, series, marks) {
  const [width, height] = size;
  const ticks = ticksOf(...rangeOf(series.flatMap(one => one.mean)));
  const steps = series.flatMap(one => one.steps);
  const first = Math.min(...steps), last = Math.max(...steps);
  const x = s => last === first ? (EDGE.left + width - EDGE.right) / 2
    : EDGE.left + (s - first) / (last - first) * (width - EDGE.left - EDGE.right);
  const low = ticks[0], high = ticks[ticks.length - 1];
  const y = v => height - EDGE.bottom - (Math.min(Math.max(v, low), high) - low) / (high - low)
    * (height - EDGE.top - EDGE.bottom);
  const inner = last > first ? ticksOf(first, last, width > 500 ? 8 : 4) : [];
  const room = (width > 500 ? 0.05 : 0.13) * (last - first);
  const shown = [first, ...inner.filter(t => Number.isInteger(t) && t > first + room && t < last - room), last];
  const parts = ticks.map(t => [
    svg("path", {class: "grid", d: `M${EDGE.left} ${y(t).toFixed(1)}H${width - EDGE.right}`}),
    svg("text", {x: EDGE.left - 7, y: y(t) + 3.5, "text-anchor": "end"}, label(t, ticks)),
  ]);
  parts.push([...new Set(shown)].map(s => svg("text", {
    x: x(s), y: height - 6, "text-anchor": s === first && last > first ? "start" : s === last && last > first ? "end" : "middle",
  }, number(s))));
  parts.push(marks.map(([at, name]) => [
    svg("path", {class: "mark-stage", d: `M${x(at).toFixed(1)} ${EDGE.top}V${height - EDGE.bottom}`}),
    svg("text", {class: "stage-name", x: x(at) + 4, y: EDGE.top + 8}, name),
  ]));
  return {x, y, parts, last, first};
}

// series: [{name, run, steps, mean, low, high}]; weight: of smoothing; pick(step, run): a click.
export function lineChart(title, series, {size = [360, 176], weight = 0, marks = [], pick, told} = {}) {
  const drawn = series.filter(one => one.mean.some(v => v !== null));
  if (!drawn.length) return el("p", {class: "soft empty"}, "no finite values");
  const {x, y, parts, first, last} = frame(size, drawn, marks);
  const lines = drawn.map(one => {
    const main = weight ? smoothed(one.mean, weight) : one.mean;
    return svg("g", {class: `run-${one.run % 6}`},
      one.stretch > 1 && svg("path", {class: "band", d: bandOf(one, x, y)}),
      weight > 0 && svg("path", {class: "line faint", d: pathOf(one.steps, one.mean, x, y)}),
      svg("path", {class: "line", d: pathOf(one.steps, main, x, y)}),
      one.steps.length === 1 && svg("circle", {class: "dot", r: 3, cx: x(one.steps[0]), cy: y(one.mean[0] ?? 0)}));
  });
  const rule = svg("path", {class: "rule"});
  const dots = drawn.map(one => svg("circle", {class: `dot run-${one.run % 6}`, r: 3.5, visibility: "hidden"}));
  const words = drawn.map(one => `${one.name}: ${inWords(one)}`).join("; ");
  const box = svg("svg", {
    viewBox: `0 0 ${size[0]} ${size[1]}`, role: "img", tabindex: pick ? 0 : null,
    "aria-label": `${title}: ${words}`, class: pick ? "chart picks" : "chart",
  }, parts, lines, rule, dots);
  follow(box, {size, x, y, drawn, rule, dots, pick, told, first, last, weight});
  return box;
}

function inWords(one) {
  const known = one.mean.filter(v => v !== null);
  return `${number(known[0])} at first, ${number(known[known.length - 1])} at last, ` +
    `from ${number(Math.min(...known))} to ${number(Math.max(...known))}`;
}

function follow(box, own) {
  let step = null;
  const {size, x, y, drawn, rule, dots} = own;
  const show = wanted => {
    const longest = drawn.reduce((a, b) => (b.steps.length > a.steps.length ? b : a));
    step = longest.steps[nearestTo(longest.steps, wanted)];
    rule.setAttribute("d", `M${x(step).toFixed(1)} ${EDGE.top}V${size[1] - EDGE.bottom}`);
    const values = drawn.map((one, i) => {
      const at = nearestTo(one.steps, step), value = one.mean[at];
      const there = value !== null && Math.abs(one.steps[at] - step) <= (one.stretch || 1);
      dots[i].setAttribute("visibility", there ? "visible" : "hidden");
      if (!there) return [one, null];
      dots[i].setAttribute("cx", x(one.steps[at]));
      dots[i].setAttribute("cy", y(value));
      return [one, value];
    });
    if (own.told) own.told(step, values);
  };
  const hide = () => {
    step = null;
    rule.setAttribute("d", "");
    dots.forEach(dot => dot.setAttribute("visibility", "hidden"));
    if (own.told) own.told(null, []);
  };
  const under = event => {
    const frameBox = box.getBoundingClientRect();
    const at = (event.clientX - frameBox.left) / frameBox.width * size[0];
    const share = (at - EDGE.left) / (size[0] - EDGE.left - EDGE.right);
    return own.first + Math.min(1, Math.max(0, share)) * (own.last - own.first);
  };
  box.addEventListener("pointermove", event => show(under(event)));
  box.addEventListener("pointerleave", hide);
  box.addEventListener("blur", hide);
  if (!own.pick) return;
  box.addEventListener("click", event => { show(under(event)); own.pick(step); });
  box.addEventListener("focus", () => { if (step === null && box.matches(":focus-visible")) show(own.last); });
  box.addEventListener("keydown", event => {
    const reach = Math.max(1, Math.round((own.last - own.first) / (event.shiftKey ? 10 : 60)));
    const moves = {ArrowLeft: -reach, ArrowRight: reach};
    if (event.key in moves) show((step ?? own.last) + moves[event.key]);
    else if (event.key === "Home") show(own.first);
    else if (event.key === "End") show(own.last);
    else if (event.key === "Enter" && step !== null) own.pick(step);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
}

// Shares with their intervals, an evaluation after the other; rows: [{label, run, share, low, high}].
export function intervals(title, rows, size = [360, 176]) {
  const [width, height] = size;
  const x = i => EDGE.left + (i + 0.5) / rows.length * (width - EDGE.left - EDGE.right);
  const y = v => height - EDGE.bottom - v * (height - EDGE.top - EDGE.bottom);
  const room = Math.max(3, Math.floor((width - EDGE.left) / rows.length / 5.6));
  const grid = [0, 0.25, 0.5, 0.75, 1].map(t => [
    svg("path", {class: "grid", d: `M${EDGE.left} ${y(t)}H${width - EDGE.right}`}),
    svg("text", {x: EDGE.left - 7, y: y(t) + 3.5, "text-anchor": "end"}, `${100 * t} %`),
  ]);
  const points = rows.map((row, i) => svg("g", {class: `run-${row.run % 6}`},
    svg("title", {}, `${row.label}: ${(100 * row.share).toFixed(1)} % [${(100 * row.low).toFixed(1)}, ${(100 * row.high).toFixed(1)}]`),
    svg("path", {class: "interval", d: `M${x(i)} ${y(row.low)}V${y(row.high)}M${x(i) - 4} ${y(row.low)}h8M${x(i) - 4} ${y(row.high)}h8`}),
    svg("circle", {class: "dot", cx: x(i), cy: y(row.share), r: 4}),
    svg("text", {class: "value", x: x(i) + 9, y: y(row.share) + 3.5}, `${(100 * row.share).toFixed(1)} %`),
    svg("text", {x: x(i), y: height - 6, "text-anchor": "middle"},
      row.label.length <= room ? row.label : row.label.slice(0, room - 1) + "…")));
  const words = rows.map(row => `${row.label} ${(100 * row.share).toFixed(1)} %`).join(", ");
  return svg("svg", {viewBox: `0 0 ${width} ${height}`, class: "chart", role: "img", "aria-label": `${title}: ${words}`}, grid, points);
}
