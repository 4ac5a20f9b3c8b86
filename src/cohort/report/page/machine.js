// Where the time went, how fast it was, what the rewards did, and what happened.
import {el, svg, table} from "./dom.js";
import {clock, duration, number, percent} from "./format.js";
import {lineChart, ticksOf} from "./chart.js";
import {addressOf, go} from "./route.js";
import {ask} from "./source.js";

export async function machineView(app, at) {
  const run = app.runs[at.run];
  const stages = run.stages.filter(stage => stage.metrics.length);
  const stage = stages.find(s => String(s.stage) === String(at.stage))
    || stages.filter(s => s.groups).pop() || stages[stages.length - 1];
  if (!stage) return el("div", {}, el("p", {class: "soft"}, "No step has been measured yet."), eventList(run, at));
  const own = await ask(at.run, "machine", {stage: stage.stage});
  return el("div", {class: "machine-view"},
    stages.length > 1 && el("div", {class: "controls"}, el("div", {class: "choice"}, stages.map(s => el("button", {type: "button",
      "aria-pressed": String(s === stage), click: () => go("machine", {run: at.run, stage: s.stage})}, s.name)))),
    phases(own), curves(at, stage), rewards(own.rewards), profile(own.profile), eventList(run, at));
}

function phases(own) {
  const names = Object.keys(own.phases).filter(name => own.phases[name].some(v => v));
  if (!names.length) return null;
  const later = values => { const known = values.slice(values.length > 2 ? 1 : 0).filter(v => v !== null);
    return known.reduce((sum, v) => sum + v, 0) / (known.length || 1); };
  const means = names.map(name => later(own.phases[name]));
  const all = means.reduce((sum, v) => sum + v, 0);
  const rows = names.map((name, i) => el("tr", {}, el("th", {scope: "row"}, el("i", {class: `swatch phase-${i % 8}`}), name.replaceAll("_", " ")),
    el("td", {class: "num"}, duration(means[i])), el("td", {class: "num"}, percent(means[i] / all))));
  rows.push(el("tr", {}, el("th", {scope: "row"}, "step"), el("td", {class: "num"}, duration(all)), el("td", {})));
  return el("section", {}, el("h2", {}, "Where the time of a step goes"),
    el("div", {class: "beside"}, el("div", {}, table(["", "mean", "share"], rows, "phases"),
      el("p", {class: "soft"}, "Without the first stretch, in which things are built.")), bars(own, names)));
}

function bars(own, names) {
  const [width, height] = [640, 220], edge = {left: 46, right: 8, top: 8, bottom: 22}, count = own.steps.length;
  const sums = own.steps.map((_, i) => names.reduce((sum, name) => sum + (own.phases[name][i] || 0), 0));
  const ticks = ticksOf(0, Math.max(...sums, 1e-9)), top = ticks[ticks.length - 1];
  const wide = (width - edge.left - edge.right) / count;
  const y = v => height - edge.bottom - v / top * (height - edge.top - edge.bottom);
  const columns = own.steps.map((step, i) => {
    let below = 0;
    return svg("g", {}, svg("title", {}, `to step ${step}: ${duration(sums[i])}`), names.map((name, n) => {
      const value = own.phases[name][i] || 0;
      below += value;
      return value ? svg("rect", {class: `phase-${n % 8}`, x: edge.left + i * wide + wide * 0.06, width: wide * 0.88, y: y(below),
        height: Math.max(0, y(below - value) - y(below))}) : null;
    }));
  });
  return el("figure", {class: "bars"}, svg("svg", {class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Seconds of a step by phase"},
    ticks.map(t => [svg("path", {class: "grid", d: `M${edge.left} ${y(t)}H${width - edge.right}`}),
      svg("text", {x: edge.left - 7, y: y(t) + 3.5, "text-anchor": "end"}, `${number(t, 3)} s`)]),
    columns, svg("text", {x: edge.left, y: height - 5}, "first steps"),
    svg("text", {x: width - edge.right, y: height - 5, "text-anchor": "end"}, `step ${number(own.steps[count - 1] ?? 0)}`)));
}

const CURVES = [["step/seconds", "seconds a step"], ["step/tokens_per_second", "tokens per second"],
  ["threads_used", "share of the threads' time used"], ["memory/process", "memory in MB", 1e-6],
  ["memory/device_peak", "memory of the GPU in MB, the most", 1e-6]];

// Drawn after the rest: each asks for a series of its own.
function curves(at, stage) {
  const known = CURVES.filter(([name]) => stage.metrics.some(metric => metric.name === name));
  return el("section", {}, el("h2", {}, "Speed and memory"), el("div", {class: "curves"}, known.map(([name, shown, scale]) => {
    const out = el("output", {}), body = el("div", {class: "plot"});
    ask(at.run, "curve", {stage: stage.stage, metric: name}).then(own => {
      const scaled = values => (scale ? values.map(v => (v === null ? null : v * scale)) : values);
      const curve = {...own, mean: scaled(own.mean), low: scaled(own.low), high: scaled(own.high)};
      const last = curve.mean.filter(v => v !== null).pop();
      out.append(number(last ?? null, 3));
      body.append(lineChart(shown, [{...curve, run: 0, name: shown}]));
    }).catch(error => body.append(el("p", {class: "soft empty"}, error.message)));
    return el("figure", {data: {curve: name}}, el("figcaption", {}, el("b", {}, shown), out), body,
      el("p", {class: "meaning"}, stage.metrics.find(metric => metric.name === name).meaning));
  })));
}

function rewards(found) {
  if (!found.length) return null;
  const head = ["reward function", "mean value", "scored", "could not say", "failed", "asked again", "slowest call"];
  return el("section", {}, el("h2", {}, "Rewards"), table(head, found.map(own => el("tr", {},
    el("th", {scope: "row"}, own.function), el("td", {class: "num"}, number(own.value, 3)), el("td", {class: "num"}, number(own.scored)),
    el("td", {class: "num"}, number(own.unscorable)),
    el("td", {class: "num"}, own.failed ? el("b", {class: "bad"}, number(own.failed)) : number(own.failed),
      Object.keys(own.kinds).length ? el("small", {}, Object.entries(own.kinds).map(([k, v]) => `${k} ${number(v)}`).join(", ")) : null),
    el("td", {class: "num"}, number(own.retried)), el("td", {class: "num"}, duration(own.slowest_seconds))))));
}

function profile(own) {
  if (!own) return null;
  const names = Object.keys(own.operators).sort((a, b) => own.phases[b] - own.phases[a]);
  return el("section", {}, el("h2", {}, "Profile"),
    el("p", {class: "soft"}, `Steps ${own.steps[0]} to ${own.steps[1]}: ${duration(own.seconds)} a step, ${percent(own.threads_used)} of `
      + `${own.threads} thread${own.threads === 1 ? "" : "s"} used. Step ${own.recorded_step} took ${duration(own.recorded_seconds)} with its operators recorded.`),
    names.map(name => el("details", {}, el("summary", {}, `operators of ${name.replaceAll("_", " ")}`),
      table(["operator", "calls", "own time", "share"], own.operators[name].map(row => el("tr", {}, el("th", {scope: "row"}, row.name),
        el("td", {class: "num"}, number(row.calls)), el("td", {class: "num"}, duration(row.seconds)), el("td", {class: "num"}, percent(row.share))))))));
}

function eventList(run, at) {
  const found = run.events;
  const node = el("section", {}, el("h2", {}, "Events"));
  if (!found.length) { node.append(el("p", {class: "soft"}, "Nothing was written down.")); return node; }
  node.append(el("ol", {class: "events"}, found.map(own => el("li", {class: own.level},
    el("time", {}, clock(own.time)), el("b", {}, own.level), el("span", {}, own.text),
    own.step !== null && own.stage !== null && run.stages.some(s => s.stage === own.stage && s.groups)
      ? el("a", {href: addressOf("groups", {run: at.run, stage: own.stage, step: own.step})}, `step ${own.step}`) : null))));
  return node;
}
