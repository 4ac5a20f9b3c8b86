// The recipe as it was run, and what another run did differently.
import {el, put, table} from "./dom.js";

export function differing(one, other) {
  const names = [...new Set([...Object.keys(one), ...Object.keys(other)])];
  return names.filter(name => one[name] !== other[name]).map(name => [name, one[name] ?? "–", other[name] ?? "–"]);
}

export function recipeView(app, at) {
  const run = app.runs[at.run], page = el("div", {class: "recipe-view"});
  const others = app.runs.map((own, i) => [i, own]).filter(([i]) => i !== at.run);
  put(page, others.map(([, other]) => {
    const rows = differing(run.recipe.options, other.recipe.options);
    return el("section", {}, el("h2", {}, `What ${other.name} does differently`),
      rows.length ? table(["option", run.name, other.name], rows.map(([name, one, two]) =>
        el("tr", {}, el("th", {scope: "row"}, el("code", {}, name)), el("td", {}, el("code", {}, one)), el("td", {}, el("code", {}, two)))), "differences")
        : el("p", {class: "soft"}, "Nothing: the recipes are equal."));
  }));
  const versions = Object.entries(run.versions || {}).map(([name, version]) => `${name} ${version}`).join(", ");
  return put(page, el("section", {}, el("h2", {}, "recipe.toml"), versions && el("p", {class: "soft"}, `Run with ${versions}.`),
    run.recipe.text ? el("pre", {class: "recipe"}, run.recipe.text) : el("p", {class: "soft"}, "The run has none.")));
}
