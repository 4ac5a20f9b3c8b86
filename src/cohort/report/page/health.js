// What the numbers of this run say, in sentences, each with its evidence a click away.
import {el} from "./dom.js";
import {addressOf} from "./route.js";

function evidence(app, at, own) {
  const stage = app.runs[at.run].stages.find(s => s.stage === own.stage);
  const known = new Set(stage ? stage.metrics.map(m => m.name) : []);
  const curves = own.metrics.filter(name => known.has(name)).map(name =>
    el("a", {href: addressOf("curves", {run: at.run, stage: own.stage, metric: name})}, name));
  const groups = own.groups && stage && stage.groups
    ? el("a", {href: addressOf("groups", {run: at.run, stage: own.stage, step: own.step})},
      own.step === null ? "its last groups" : `groups of step ${own.step}`) : null;
  return el("p", {class: "evidence"}, groups, curves);
}

function card(app, at, own) {
  const stage = app.runs[at.run].stages.find(s => s.stage === own.stage);
  return el("article", {class: `finding ${own.level}`, data: {finding: own.name}},
    el("p", {class: "sentence"}, own.sentence), el("p", {}, own.change), evidence(app, at, own),
    app.runs[at.run].stages.length > 1 && stage && el("small", {}, `stage ${stage.name}`));
}

export function healthView(app, at) {
  const found = app.runs[at.run].health;
  const warnings = found.filter(own => own.level === "warning"), notes = found.filter(own => own.level !== "warning");
  return el("div", {class: "health-view"},
    el("section", {}, el("h2", {}, warnings.length ? "To mend" : "Nothing to mend"),
      warnings.length ? warnings.map(own => card(app, at, own))
        : el("p", {class: "soft"}, "None of the signs that are looked for is there. They see what is measured, and no more.")),
    notes.length ? el("section", {}, el("h2", {}, "Good to know"), notes.map(own => card(app, at, own))) : null);
}
