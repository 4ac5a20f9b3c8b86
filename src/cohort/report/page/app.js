// The page: which view is shown, what the keys do, and what happens while a run goes on.
import {el, put} from "./dom.js";
import {duration, number} from "./format.js";
import {curvesView} from "./curves.js";
import {groupView} from "./group.js";
import {groupsView, searchView} from "./groups.js";
import {healthView} from "./health.js";
import {machineView} from "./machine.js";
import {recipeView} from "./recipe.js";
import {addressOf, go, place, VIEWS} from "./route.js";
import {ask, isFile, open} from "./source.js";
import {MODES} from "./tokens.js";

const PULSE = 2000;
const SHOW = {curves: curvesView, groups: groupsView, group: groupView, search: searchView, health: healthView,
  machine: machineView, recipe: recipeView};
const KEYS = [["1 – 5", "curves, groups, health, machine, recipe"], ["/", "search all texts of the run"], ["j k", "next, previous row or answer"],
  ["Enter", "open it"], ["[ ]", "step or problem before, after"], ["u", "up, to the groups of the step"], ["c", "next colour of tokens"],
  ["d", "best against worst"], ["r", "next run"], ["Esc", "back"], ["?", "this list"]];

const app = {
  runs: [], hidden: new Set(), smoothing: "raw", colour: "logprob", layout: "side", sorting: {by: "spread", falling: true},
  moreOpen: false, turn: 0, draw, shownRuns,
};

// The runs that curves show: the chosen one first, then the others that are not hidden.
function shownRuns(first) {
  return [first, ...app.runs.keys()].filter((own, i) => i === 0 || (own !== first && !app.hidden.has(own)));
}

async function draw({keep = false} = {}) {
  const at = place();
  if (at.run >= app.runs.length) at.run = 0;
  const turn = ++app.turn;
  drawTop(at);
  let page;
  try {
    page = await SHOW[at.view](app, at);
  } catch (error) {
    page = el("p", {class: "soft", role: "alert"}, error.message);
  }
  if (turn !== app.turn) return;
  const main = document.querySelector("main"), before = window.scrollY;
  main.replaceChildren(page);
  main.dataset.view = at.view;
  document.title = `${app.runs[at.run].name} – ${at.view} – Cohort`;
  window.scrollTo(0, keep || draw.last === placeKey(at) ? before : 0);
  draw.last = placeKey(at);
}

const placeKey = at => [at.view, at.run, at.id, at.stage, at.step, at.metric].join("|");

function drawTop(at) {
  const run = app.runs[at.run];
  const warnings = run.health.filter(own => own.level === "warning").length;
  const active = at.view === "group" || at.view === "search" ? "groups" : at.view;
  const tabs = VIEWS.map((name, i) => el("a", {href: addressOf(name, {run: at.run}), "aria-current": name === active ? "page" : null,
    title: `${i + 1}`}, name, name === "health" && warnings ? el("span", {class: "count"}, warnings) : null));
  const search = el("input", {type: "search", id: "search", placeholder: "search the run  /", "aria-label": "Search prompts and answers of the run",
    value: at.view === "search" ? at.text : null,
    keydown: event => { if (event.key === "Enter" && event.target.value) go("search", {run: at.run, text: event.target.value}); }});
  const top = document.querySelector("#top");
  if (top.contains(document.activeElement) && document.activeElement.id === "search" && draw.top === at.run) {
    top.querySelector("nav").replaceChildren(...tabs);
    return;
  }
  draw.top = at.run;
  top.replaceChildren();
  put(top, el("div", {class: "identity"}, app.runs.map((own, i) => runName(own, i, at)), facts(run)),
    el("div", {class: "bar"}, el("nav", {"aria-label": "Views"}, tabs), search,
      el("button", {type: "button", class: "help", title: "Keys", click: help}, "?")));
}

function runName(own, index, at) {
  const only = app.runs.length === 1, chosen = index === at.run;
  const name = only ? el("h1", {}, own.name) : el("button", {type: "button", class: "run-name", "aria-pressed": String(chosen),
    title: chosen ? "" : "Look at this run", click: () => go(at.view === "group" || at.view === "search" ? "groups" : at.view, {run: index})},
  el("i", {class: `key run-${index % 6}`}), own.name);
  const eye = !only && !chosen && el("button", {type: "button", class: "eye", "aria-pressed": String(!app.hidden.has(index)),
    title: "Draw it into the curves", click: () => {
      if (app.hidden.has(index)) app.hidden.delete(index); else app.hidden.add(index);
      draw({keep: true});
    }}, app.hidden.has(index) ? "hidden" : "shown");
  return el("span", {class: only ? "run only" : "run"}, name, eye);
}

function facts(run) {
  const size = run.parameters ? `${number(run.parameters)} parameters` : null;
  const parts = [run.recipe_name !== run.name && run.recipe_name, run.model === "new" ? "a new model" : run.model, size,
    `seed ${number(run.seed)}`, duration(run.seconds)].filter(part => part && part !== "?");
  return el("p", {class: "facts-line run-facts"}, el("span", {class: `status ${run.status === "running" ? "running" : ""}`}, run.status),
    parts.map(part => [" · ", part]), isFile() ? " · a file" : null);
}

function help() {
  const dialog = el("dialog", {click: event => { if (event.target === dialog) dialog.close(); }}, el("h2", {}, "Keys"),
    el("dl", {class: "keys"}, KEYS.map(([key, what]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, what)])),
    el("button", {type: "button", click: () => dialog.close()}, "Close"));
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function move(by) {
  const rows = [...document.querySelectorAll("main .row-link, main .answer")].filter(node => node.getClientRects().length);
  if (!rows.length) return;
  const here = rows.indexOf(document.activeElement);
  rows[Math.min(rows.length - 1, Math.max(0, here < 0 ? 0 : here + by))].focus();
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog")) return;
  if (event.target.closest("input, textarea, select")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  const at = place(), group = at.view === "group";
  const modes = MODES.map(([name]) => name);
  const act = {
    "/": () => document.querySelector("#search").focus(),
    "?": help,
    j: () => move(1), k: () => move(-1),
    u: () => document.querySelector("[data-key='u']")?.click(),
    "[": () => document.querySelector("[data-key='[']")?.click(),
    "]": () => document.querySelector("[data-key=']']")?.click(),
    c: () => { if (group) { app.colour = modes[(modes.indexOf(app.colour) + 1) % modes.length]; draw({keep: true}); } },
    d: () => { if (group) { app.layout = app.layout === "diff" ? "side" : "diff"; draw({keep: true}); } },
    r: () => { if (app.runs.length > 1) go(group ? "groups" : at.view, {run: (at.run + 1) % app.runs.length}); },
    Escape: () => {
      if (at.view === "curves" && at.metric) go("curves", {run: at.run, stage: at.stage});
      else if (at.view !== "curves") history.back();
    },
  }[event.key] || (/^[1-5]$/.test(event.key) ? () => go(VIEWS[event.key - 1], {run: at.run}) : null);
  if (!act) return;
  event.preventDefault();
  act();
}

// Asks of each run that goes on whether anything happened, and draws what changes then.
async function watch() {
  for (;;) {
    await new Promise(done => setTimeout(done, PULSE));
    if (document.hidden) continue;
    for (const index of app.runs.keys()) {
      if (app.runs[index].status !== "running") continue;
      try {
        const now = await ask(index, "pulse");
        document.body.classList.remove("lost");
        if (JSON.stringify(now) === JSON.stringify(app.runs[index].pulse)) continue;
        app.runs[index] = await ask(index, "run");
        const at = place();
        if (at.view === "curves" || at.view === "health" || at.view === "machine") draw({keep: true});
        else drawTop(at);
      } catch {
        document.body.classList.add("lost");
      }
    }
  }
}

async function begin() {
  try {
    const found = await open();
    app.runs = await Promise.all(found.map((_, index) => ask(index, "run")));
  } catch (error) {
    document.querySelector("main").replaceChildren(el("p", {class: "alert", role: "alert"},
      `${error.message} Open the address that \`cohort watch\` printed, to its end.`));
    return;
  }
  window.addEventListener("hashchange", () => draw());
  document.addEventListener("keydown", press);
  await draw();
  document.body.dataset.ready = "yes";
  if (!isFile()) watch();
}

begin();
