// Curves: the metrics of a stage or of the whole run, held-out results first, several runs over each other.
import {choice, el, put, table} from "./dom.js";
import {duration, number, percent} from "./format.js";
import {intervals, lineChart} from "./chart.js";
import {go} from "./route.js";
import {ask} from "./source.js";

const WEIGHTS = {raw: 0, smooth: 0.8, smoother: 0.95};
const WHOLE = "all";

export function stageOf(run, wanted) {
  const with_ = run.stages.filter(stage => stage.metrics.length);
  if (wanted === WHOLE) return WHOLE;
  const found = with_.find(stage => String(stage.stage) === String(wanted));
  return found || with_.filter(stage => stage.groups).pop() || with_[with_.length - 1] || null;
}

function twin(stage, other) {
  return other.stages.find(own => own.name === stage.name && own.kind === stage.kind)
    || other.stages.find(own => own.stage === stage.stage && own.kind === stage.kind);
}

// The parts of a curve: of a stage in each run, or of all stages of the run one after the other.
async function partsOf(app, at, stage, metric) {
  if (stage !== WHOLE) {
    const asked = app.shownRuns(at.run).map(async index => {
      const own = index === at.run ? stage : twin(stage, app.runs[index]);
      if (!own || !own.metrics.some(m => m.name === metric)) return null;
      const curve = await ask(index, "curve", {stage: own.stage, metric});
      return {...curve, run: index, name: app.runs[index].name, stageNumber: own.stage};
    });
    return {series: (await Promise.all(asked)).filter(Boolean), marks: []};
  }
  const marks = [], series = [];
  let before = 0;
  for (const own of app.runs[at.run].stages.filter(s => s.metrics.length)) {
    marks.push([before + 1, own.name]);
    if (own.metrics.some(m => m.name === metric)) {
      const curve = await ask(at.run, "curve", {stage: own.stage, metric});
      series.push({...curve, steps: curve.steps.map(s => s + before), run: at.run,
        name: own.name, stageNumber: own.stage, before});
    }
    before += own.done;
  }
  return {series, marks};
}

function figure(app, at, stage, metric, large) {
  const out = el("output", {});
  const body = el("div", {class: "plot"});
  const node = el("figure", {class: large ? "large" : "", data: {metric: metric.name}},
    el("figcaption", {},
      el("button", {class: "name", type: "button", title: large ? "Back to all curves" : "Enlarge",
        click: () => go("curves", {run: at.run, stage: at.stage, metric: large ? null : metric.name}),
      }, metric.shown), out),
    body,
    el("p", {class: "meaning"}, metric.meaning,
      metric.averaged && el("i", {}, ` ${metric.averaged[0].toUpperCase()}${metric.averaged.slice(1)}.`)));
  node.load = async () => {
    const {series, marks} = await partsOf(app, at, stage, metric.name);
    const last = () => put(clear(out), series.filter(one => one.mean.length).map(one =>
      el("span", {class: `value run-${one.run % 6}`}, number(one.mean[one.mean.length - 1]))),
    el("small", {}, metric.unit));
    const told = (step, values) => step === null ? last() : put(clear(out),
      el("small", {}, `step ${number(step)}`),
      values.map(([one, value]) => el("span", {class: `value run-${one.run % 6}`}, number(value))));
    const open = step => {
      const own = series.find(one => one.run === at.run) || series[0];
      const part = stage === WHOLE
        ? series.filter(one => one.before < step).pop() || own : own;
      const inRun = app.runs[part.run].stages.find(s => s.stage === part.stageNumber);
      if (inRun && inRun.groups)
        go("groups", {run: part.run, stage: part.stageNumber, step: step - (part.before || 0)});
    };
    const picks = series.some(one => app.runs[one.run].stages.some(s => s.stage === one.stageNumber && s.groups));
    put(clear(body), lineChart(metric.shown, series, {
      size: large ? [1000, 380] : [360, 176], weight: WEIGHTS[app.smoothing], marks, told,
      pick: picks ? open : null,
    }));
    last();
  };
  return node;
}

function clear(node) {
  node.replaceChildren();
  return node;
}

function allMetrics(run, stage) {
  if (stage !== WHOLE) return stage.metrics;
  const found = new Map();
  for (const own of run.stages)
    for (const metric of own.metrics) {
      const known = found.get(metric.name);
      if (!known) found.set(metric.name, metric);
      else if (metric.first && !known.first) found.set(metric.name, metric);
    }
  return [...found.values()].sort((a, b) => Number(b.first) - Number(a.first));
}

export function curvesView(app, at) {
  const run = app.runs[at.run], stage = stageOf(run, at.stage);
  const page = el("div", {class: "curves-view"});
  if (!at.metric) put(page, heldOut(app, at));
  if (!stage) return put(page, el("p", {class: "soft"}, "No step has been measured yet."));
  const metrics = allMetrics(run, stage);
  const one = metrics.find(metric => metric.name === at.metric);
  put(page, controls(app, at, run, stage));
  if (one) {
    const big = figure(app, at, stage, one, true);
    load(big);
    return put(page, big, el("p", {class: "soft"}, "A click on the curve opens the groups of that step; Esc goes back to all curves."));
  }
  const first = metrics.filter(m => m.first), rest = metrics.filter(m => !m.first);
  put(page, grid(app, at, stage, first.length ? first : rest));
  if (first.length && rest.length) put(page, more(app, at, stage, rest));
  return page;
}

function load(node) {
  node.load().catch(error => put(clear(node.querySelector(".plot")), el("p", {class: "soft empty"}, error.message)));
}

function grid(app, at, stage, metrics) {
  const figures = metrics.map(metric => figure(app, at, stage, metric, false));
  figures.forEach(load);
  return el("div", {class: "curves"}, figures);
}

function more(app, at, stage, rest) {
  const body = el("div", {});
  const filter = el("input", {type: "search", placeholder: "name of a metric", "aria-label": "Show metrics whose name holds this",
    input: () => draw(filter.value)});
  const draw = text => put(clear(body), grid(app, at, stage, rest.filter(m => m.shown.includes(text))));
  const node = el("details", {open: app.moreOpen, toggle: () => {
    app.moreOpen = node.open;
    if (node.open && !body.childElementCount) draw("");
  }}, el("summary", {}, `${rest.length} more curves`), filter, body);
  if (app.moreOpen) draw("");
  return node;
}

function controls(app, at, run, stage) {
  const chosen = stage === WHOLE ? WHOLE : String(stage.stage);
  const stages = run.stages.filter(s => s.metrics.length).map(s =>
    [String(s.stage), s.name, `${s.kind}, ${number(s.done)} of ${number(s.steps)} steps`]);
  if (stages.length > 1) stages.push([WHOLE, "whole run", "All stages one after the other"]);
  const cost = stage === WHOLE ? null : [stage.kind, `${number(stage.done)} of ${number(stage.steps)} steps`,
    stage.seconds && duration(stage.seconds),
    stage.sampled_tokens && `${number(stage.sampled_tokens)} tokens sampled`,
    stage.trained_tokens && `${number(stage.trained_tokens)} trained on`].filter(Boolean).join(" · ");
  return el("div", {class: "controls"},
    choice("Stage", stages, chosen, value => go("curves", {run: at.run, stage: value, metric: at.metric})),
    el("span", {class: "soft cost"}, cost),
    choice("Smoothing", Object.keys(WEIGHTS).map(name => [name, name]), app.smoothing,
      value => { app.smoothing = value; app.draw(); }));
}

function share(summary, name) {
  const ends = summary[`${name}_interval`];
  return el("td", {}, percent(summary[name]),
    el("small", {}, ends ? `${(100 * ends[0]).toFixed(1)} – ${(100 * ends[1]).toFixed(1)}` : ""));
}

function heldOut(app, at) {
  const shown = app.shownRuns(at.run);
  const made = shown.flatMap(index => app.runs[index].evaluations.map(own => ({...own, run: index})));
  if (!made.length) return null;
  const several = shown.length > 1;
  const highest = Math.max(...made.flatMap(e => Object.keys(e.summary.pass_at || {}).map(Number)), 1);
  const rows = made.map(own => el("tr", {},
    several && el("td", {class: `run-${own.run % 6}`}, el("i", {class: "key"}), app.runs[own.run].name),
    el("th", {scope: "row"}, `after ${own.after}`), share(own.summary, "greedy"), share(own.summary, "pass_at_1"),
    highest > 1 && el("td", {}, percent((own.summary.pass_at || {})[highest])),
    el("td", {}, number(own.summary.mean_reward)),
    el("td", {}, number(own.summary.problems), el("small", {}, `${own.summary.samples_per_problem} samples each`))));
  const points = made.filter(e => e.summary.pass_at_1_interval || e.summary.greedy_interval).map(own => {
    const name = own.summary.pass_at_1_interval ? "pass_at_1" : "greedy";
    const [low, high] = own.summary[`${name}_interval`];
    return {label: own.after, run: own.run, share: own.summary[name], low, high};
  });
  return el("section", {class: "held-out"},
    el("h2", {}, "Held-out problems"),
    el("div", {class: "beside"},
      el("div", {}, table([several && "run", "", "greedy", "pass@1", highest > 1 && `pass@${highest}`, "reward", "problems"]
        .filter(cell => cell !== false), rows),
      el("p", {class: "soft"}, "Never trained on. Small: 95 % intervals; where they overlap, the difference may be chance.")),
      points.length ? el("figure", {}, intervals("pass@1", points)) : null),
    examples(app.runs[at.run].examples));
}

function examples(found) {
  if (!found.length) return null;
  const verdict = right => right === null ? null
    : el("b", {class: right ? "good" : "bad"}, right ? " right" : " wrong");
  return el("details", {class: "examples"},
    el("summary", {}, `${found.length} of them before and after`),
    found.map(own => el("div", {class: "example"},
      el("pre", {class: "prompt"}, own.prompt),
      el("div", {}, el("small", {}, "before", verdict(own.right[0])), el("pre", {}, own.before)),
      el("div", {}, el("small", {}, "after", verdict(own.right[1])), el("pre", {}, own.after)))),
    el("p", {class: "soft"}, "The first by id, chosen before any answer was known."));
}
