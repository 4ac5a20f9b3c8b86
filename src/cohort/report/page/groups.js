// The groups of a step as rows, sortable; the groups in which a text is; and what episodes cost for what they bring.
import {el, put, svg} from "./dom.js";
import {number, percent, plural} from "./format.js";
import {rangeOf, ticksOf} from "./chart.js";
import {go, addressOf} from "./route.js";
import {ask} from "./source.js";

const COLUMNS = [["problem", "problem"], ["signs", "answers"], ["mean", "mean"], ["spread", "spread"],
  ["best", "best"], ["worst", "worst"], ["length", "tokens"], ["cut", "cut"]];

export function strip(signs) {
  return el("span", {class: "strip", "aria-hidden": "true"}, [...signs].slice(0, 64).map(s => el("i", {class: s})));
}

function compare(by, falling) {
  const sign = falling ? -1 : 1;
  return (a, b) => {
    const one = a[by], other = b[by];
    if (one === null || other === null) return (one === null) - (other === null);
    return sign * (typeof one === "string" ? one.localeCompare(other) : one - other);
  };
}

export function rowsTable(app, at, rows, {steps = false} = {}) {
  const body = el("tbody", {});
  const head = el("tr", {});
  const {by, falling} = app.sorting;
  const draw = () => {
    put(clear(head), steps && el("th", {scope: "col"}, "step"), COLUMNS.map(([name, text]) => el("th", {
      scope: "col", class: name, "aria-sort": app.sorting.by === name ? (app.sorting.falling ? "descending" : "ascending") : null,
    }, el("button", {type: "button", click: () => {
      app.sorting = {by: name, falling: app.sorting.by === name ? !app.sorting.falling : name !== "problem"};
      draw();
    }}, text, app.sorting.by === name ? (app.sorting.falling ? " ↓" : " ↑") : ""))));
    const order = app.sorting.by ? [...rows].sort(compare(app.sorting.by, app.sorting.falling)) : rows;
    put(clear(body), order.map(row => oneRow(at, row, steps)));
  };
  if (by === undefined || falling === undefined) app.sorting = {by: null, falling: true};
  draw();
  return el("div", {class: "scroll"}, el("table", {class: "groups rows"}, el("thead", {}, head), body));
}

function clear(node) {
  node.replaceChildren();
  return node;
}

function oneRow(at, row, steps) {
  const address = addressOf("group", {run: at.run, id: row.id});
  return el("tr", {click: event => { if (!event.target.closest("a")) location.hash = address; }},
    steps && el("td", {class: "num"}, number(row.step)),
    el("td", {class: "problem"}, el("a", {href: address, class: "row-link"}, row.problem),
      row.discarded && el("em", {}, `left out: ${row.discarded}`), el("span", {class: "soft"}, row.prompt)),
    el("td", {}, strip(row.signs)),
    ["mean", "spread", "best", "worst", "length"].map(name => el("td", {class: `num ${name}`}, number(row[name], 3))),
    el("td", {class: "num cut"}, row.cut ? el("b", {class: "bad"}, row.cut) : "0"));
}

export async function groupsView(app, at) {
  const run = app.runs[at.run];
  const stages = run.stages.filter(stage => stage.groups);
  if (!stages.length) return el("p", {class: "soft"}, "This run has no groups: only stages that sample answers have.");
  const stage = stages.find(s => String(s.stage) === String(at.stage)) || stages[stages.length - 1];
  const told = await ask(at.run, "groups", {stage: stage.stage, step: at.step});
  const to = step => ({run: at.run, stage: stage.stage, step});
  const silent = told.groups.filter(row => !row.spread).length;
  const known = told.groups.filter(row => row.mean !== null);
  const mean = known.reduce((sum, row) => sum + row.mean, 0) / (known.length || 1);
  const head = el("div", {class: "controls"},
    stages.length > 1 && el("div", {class: "choice"}, stages.map(s => el("button", {
      type: "button", "aria-pressed": String(s === stage), click: () => go("groups", {run: at.run, stage: s.stage}),
    }, s.name))),
    el("div", {class: "stepper"},
      el("button", {type: "button", disabled: told.first === told.step, title: "First step", click: () => go("groups", to(told.first))}, "«"),
      el("button", {type: "button", disabled: told.previous === null, title: "Step before  [", data: {key: "["}, click: () => go("groups", to(told.previous))}, "‹"),
      el("label", {}, "step ", el("input", {type: "number", min: told.first, max: told.last, value: told.step,
        "aria-label": "Step", change: event => go("groups", to(event.target.value))})),
      el("span", {class: "soft"}, `of ${number(told.last)}`),
      el("button", {type: "button", disabled: told.next === null, title: "Step after  ]", data: {key: "]"}, click: () => go("groups", to(told.next))}, "›"),
      el("button", {type: "button", disabled: told.last === told.step, title: "Last step", click: () => go("groups", to(told.last))}, "»")),
    el("span", {class: "soft cost"}, `${plural(told.groups.length, "group")}, mean reward ${number(mean, 3)}, ${silent} without spread`));
  const body = el("div", {});
  const draw = text => put(clear(body), rowsTable(app, at, told.groups.filter(row =>
    `${row.problem} ${row.prompt}`.toLowerCase().includes(text.toLowerCase()))));
  draw("");
  put(head, el("input", {type: "search", placeholder: "only rows with…", "aria-label": "Only rows with this text", input: e => draw(e.target.value)}));
  const note = wanted(at, told) && el("p", {class: "soft"}, `Step ${number(Number(at.step))} has no groups here; this is the nearest that has.`);
  return el("div", {}, head, note, body, pareto(at, told.groups));
}

function wanted(at, told) {
  return at.step !== undefined && Number(at.step) !== told.step;
}

// Every group's mean cost against its mean success; the front is what nothing beats in both.
export function frontOf(points) {
  const order = [...points].sort((a, b) => a.cost - b.cost || b.success - a.success);
  let best = -Infinity;
  return order.filter(p => (p.success > best ? (best = p.success, true) : false));
}

function pareto(at, groups) {
  const points = [];
  for (const row of groups) {
    const own = (row.episodes || []).filter(e => e.cost !== null && e.success !== null);
    if (!own.length) continue;
    const mean = name => own.reduce((sum, e) => sum + (e[name] || 0), 0) / own.length;
    points.push({id: row.id, problem: row.problem, cost: mean("cost"), success: mean("success"), latency: mean("latency")});
  }
  if (points.length < 2) return null;
  const [width, height] = [720, 280], edge = {left: 50, right: 16, top: 12, bottom: 34};
  const xs = ticksOf(...rangeOf(points.map(p => p.cost))), ys = ticksOf(...rangeOf(points.map(p => p.success)));
  const x = v => edge.left + (v - xs[0]) / (xs[xs.length - 1] - xs[0]) * (width - edge.left - edge.right);
  const y = v => height - edge.bottom - (v - ys[0]) / (ys[ys.length - 1] - ys[0]) * (height - edge.top - edge.bottom);
  const front = frontOf(points);
  const path = front.map((p, i) => `${i ? "H" + x(p.cost) + "V" + y(p.success) : "M" + x(p.cost) + " " + y(p.success)}`).join("");
  return el("section", {class: "pareto"}, el("h2", {}, "Cost against success"),
    el("p", {class: "soft"}, `A point is a group's mean. The line is what no other group beats in both; ${front.length} of ${points.length} are on it.`),
    svg("svg", {class: "chart", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": "Cost against success of this step's groups"},
      ys.map(t => [svg("path", {class: "grid", d: `M${edge.left} ${y(t)}H${width - edge.right}`}),
        svg("text", {x: edge.left - 7, y: y(t) + 3.5, "text-anchor": "end"}, number(t, 3))]),
      xs.map(t => svg("text", {x: x(t), y: height - 18, "text-anchor": "middle"}, number(t, 3))),
      svg("text", {x: width - edge.right, y: height - 4, "text-anchor": "end"}, "cost of the episode"),
      svg("path", {class: "line run-0", d: path}),
      points.map(p => svg("circle", {class: `point ${front.includes(p) ? "front" : ""}`, cx: x(p.cost), cy: y(p.success), r: 5, tabindex: 0,
        click: () => go("group", {run: at.run, id: p.id}),
        keydown: event => { if (event.key === "Enter") go("group", {run: at.run, id: p.id}); },
      }, svg("title", {}, `${p.problem}: cost ${number(p.cost, 3)}, success ${percent(p.success)}, latency ${number(p.latency, 3)}`)))));
}

export async function searchView(app, at) {
  const text = at.text || "";
  const body = el("div", {}), state = el("p", {class: "soft", role: "status"});
  const page = el("div", {}, el("h2", {}, `Groups with “${text}”`), state, body);
  const turn = app.turn;
  const found = [];
  const look = async () => {
    let below = null;
    do {
      const told = await ask(at.run, "search", {text, below});
      if (turn !== app.turn) return;
      found.push(...told.groups);
      put(clear(body), found.length ? rowsTable(app, at, found, {steps: true}) : null);
      below = told.next;
      const full = found.length >= 200;
      state.textContent = below === null || full
        ? `${plural(found.length, "group")}${full ? ", the newest; there may be more" : ", everything was looked at"}`
        : `${plural(found.length, "group")} so far, ${percent(told.done, 0)} looked at`;
      if (full) return;
    } while (below !== null);
  };
  look().catch(error => { state.textContent = error.message; });
  return page;
}
