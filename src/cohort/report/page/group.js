// One group on one screen: its answers side by side by advantage, tokens in colour, best against worst.
import {choice, el, put} from "./dom.js";
import {number, percent, plural, signed, STOPS} from "./format.js";
import {difference} from "./diff.js";
import {lineChart} from "./chart.js";
import {addressOf, go} from "./route.js";
import {ask} from "./source.js";
import {colourOf, LEGENDS, MODES} from "./tokens.js";

export async function groupView(app, at) {
  const own = await ask(at.run, "group", {id: at.id});
  const page = el("div", {class: "group-view"});
  const tokens = ask(at.run, "tokens", {id: at.id}).catch(() => null);
  const answers = el("div", {class: "answers"}), legend = el("p", {class: "legend soft"});
  const inspector = el("aside", {class: "inspector", role: "status", hidden: true});
  put(page, heading(app, at, own), el("pre", {class: "prompt"}, own.prompt),
    own.reference.length > 0 && el("pre", {class: "prompt"}, own.reference.join("\n")), columns(own),
    past(app, at, own), toolbar(app, at, own), legend, answers, inspector);
  const told = await tokens;
  draw(app, at, own, told, {answers, legend, inspector});
  return page;
}

function heading(app, at, own) {
  const step = {run: at.run, stage: own.stage, step: own.step};
  const stage = app.runs[at.run].stages.find(s => s.stage === own.stage);
  return el("div", {class: "heading"},
    el("div", {},
      el("a", {class: "up-link", href: addressOf("groups", step), data: {key: "u"}, title: "All groups of this step  u"},
        `${stage ? stage.name : ""} · step ${number(own.step)}`),
      el("h2", {}, own.problem, own.discarded && el("em", {}, `left out: ${own.discarded}`))),
    el("dl", {class: "facts"},
      fact("mean reward", number(own.mean, 3)), fact("spread", number(own.spread, 3)),
      fact("answers", own.answers.length), own.greedy_reward !== null && fact("greedy", number(own.greedy_reward, 3))));
}

function fact(name, value) {
  return el("div", {}, el("dt", {}, name), el("dd", {}, value));
}

function columns(own) {
  if (own.columns === "{}" || !own.columns) return null;
  return el("details", {class: "columns"}, el("summary", {}, "what its rewards know"), el("pre", {}, own.columns));
}

// The same problem at other steps: its mean reward over time, and its neighbours a click away.
function past(app, at, own) {
  const node = el("div", {class: "past"});
  ask(at.run, "history", {problem: own.problem_id}).then(told => {
    const places = told.places;
    if (places.length < 2) return put(node, el("p", {class: "soft"}, "This problem was asked once."));
    const here = places.findIndex(p => p.id === own.id);
    const before = places[here - 1], after = places[here + 1];
    const same = places.filter(p => p.stage === own.stage);
    const link = (place, text, key) => place
      ? el("a", {href: addressOf("group", {run: at.run, id: place.id}), data: {key}, title: `step ${place.step}  ${key}`}, text)
      : el("span", {class: "soft"}, text);
    return put(node, el("div", {class: "past-links"}, el("span", {class: "soft"}, `asked ${plural(told.count, "time")}`),
      link(before, "‹ earlier", "["), link(after, "later ›", "]")),
    same.length > 1 && lineChart("mean reward of this problem", [{name: "mean reward", run: 0, steps: same.map(p => p.step),
      mean: same.map(p => p.mean), low: same.map(p => p.worst), high: same.map(p => p.best), stretch: 2}], {
      size: [720, 90], pick: step => go("group", {run: at.run, id: same.find(p => p.step === step).id}),
    }));
  }).catch(error => put(node, el("p", {class: "soft"}, error.message)));
  return node;
}

function toolbar(app, at, own) {
  const set = (name, value) => { app[name] = value; app.draw(); };
  return el("div", {class: "controls"},
    choice("Colour of tokens", MODES, app.colour, value => set("colour", value)),
    own.answers.length > 1 && choice("Layout", [["side", "side by side"], ["diff", "best against worst"]], app.layout,
      value => set("layout", value)));
}

function draw(app, at, own, told, parts) {
  if (app.layout === "diff" && own.answers.length > 1) {
    put(parts.answers, bestAndWorst(own));
    parts.answers.classList.add("two");
    parts.legend.textContent = "Marked: what only the other one does not have. Moved words are not followed.";
    return;
  }
  const scale = Math.max(1e-9, ...own.answers.map(a => Math.abs(a.advantage || 0)));
  const missing = told && !told.decoded && app.colour !== "plain";
  put(parts.legend, legendOf(app.colour), missing && " The run has no tokenizer that could be read: tokens are numbers.");
  put(parts.answers, own.answers.map(answer =>
    card(app, at, own, answer, told && told.answers[String(answer.number)], scale, parts.inspector)));
}

function legendOf(mode) {
  const [text, classes] = LEGENDS[mode];
  return [classes.map(([name, words]) => el("span", {class: "swatch-text"}, el("i", {class: name}), words)), text];
}

export function parts(answer) {
  return el("ul", {class: "parts"}, answer.parts.map(([name, value, kind, reason]) => el("li", {title: reason || null},
    el("span", {}, name), value === null ? el("b", {class: "bad"}, kind || "–") : el("b", {}, number(value, 3)),
    reason && el("small", {}, reason))));
}

function header(answer) {
  const tone = answer.advantage > 0 ? "good" : answer.advantage < 0 ? "bad" : "";
  const cut = answer.stop !== "end";
  return [
    el("header", {}, el("b", {class: tone, title: "advantage"}, signed(answer.advantage)),
      el("span", {title: "reward"}, `reward ${number(answer.reward, 3)}`),
      el("small", {}, `#${answer.number}`)),
    parts(answer),
    el("p", {class: "facts-line"}, plural(answer.length, "token"), " · ",
      el("span", {class: cut ? "bad" : ""}, STOPS[answer.stop] || answer.stop)),
    answer.measures && costs(answer.measures),
  ];
}

function costs(own) {
  const said = [own.turns && plural(own.turns, "turn"), own.cost !== null && `cost ${number(own.cost, 3)}`,
    own.latency !== null && `latency ${number(own.latency, 3)}`, `${number(own.seconds, 3)} s`].filter(Boolean).join(" · ");
  return [el("p", {class: "facts-line"}, said), own.failure && el("p", {class: "bad"}, own.failure),
    own.facts && el("details", {class: "columns"}, el("summary", {}, "what the environment says"), el("pre", {}, own.facts))];
}

function card(app, at, own, answer, told, scale, inspector) {
  const tone = answer.advantage > 0 ? "up" : answer.advantage < 0 ? "down" : "";
  return el("article", {class: `answer ${tone}`, data: {answer: answer.number}, tabindex: 0,
    "aria-label": `answer ${answer.number}, advantage ${signed(answer.advantage)}`},
  header(answer),
  app.colour === "plain" || !told
    ? (answer.turns ? turnsOf(answer) : el("pre", {class: "text"}, answer.text))
    : words(app, at, own, answer, told, scale, inspector),
  answer.steps.length ? judged(answer) : null);
}

function turnsOf(answer) {
  return el("ol", {class: "turns"}, answer.turns.map(turn => el("li", {},
    el("pre", {class: "text"}, turn.said),
    turn.mistakes.map(mistake => el("p", {class: "bad"}, mistake)),
    turn.seen && el("pre", {class: "seen"}, turn.seen),
    turn.reward !== null && el("small", {}, `reward ${number(turn.reward, 3)}`))));
}

function judged(answer) {
  return el("table", {class: "judged"}, el("thead", {}, el("tr", {}, ["step", "reward", "advantage"].map(h => el("th", {}, h)))),
    el("tbody", {}, answer.steps.map(([text, reward, advantage]) => el("tr", {},
      el("td", {}, el("pre", {}, text.trim())), el("td", {class: "num"}, number(reward, 3)),
      el("td", {class: `num ${advantage > 0 ? "good" : advantage < 0 ? "bad" : ""}`}, signed(advantage))))));
}

function words(app, at, own, answer, told, scale, inspector) {
  const seen = new Set(told.seen), clipped = new Set(told.clipped || []);
  const pre = el("pre", {class: "text tokens", "aria-label": "answer by tokens"});
  const chosen = at.token === undefined ? null : at.token.split(".").map(Number);
  told.text.forEach((text, i) => {
    const fact_ = {
      text, place: i, count: told.text.length, logprob: told.logprob[i], seen: seen.has(i),
      advantage: Array.isArray(told.advantage) ? told.advantage[i] : told.advantage, discarded: own.discarded,
      ratio: told.ratio ? told.ratio[i] : null, entropy: told.entropy ? told.entropy[i] : null, clipped: clipped.has(i),
    };
    const node = el("span", {class: `t ${colourOf(app.colour, fact_, scale)}`, data: {token: `${answer.number}.${i}`}}, text || "·");
    if (!text) node.classList.add("part");
    node.told = fact_;
    if (chosen && chosen[0] === answer.number && chosen[1] === i) {
      node.classList.add("chosen");
      inspect(inspector, answer, fact_);
      requestAnimationFrame(() => node.scrollIntoView({block: "center"}));
    }
    pre.append(node);
  });
  pre.addEventListener("pointerover", event => { if (event.target.told) inspect(inspector, answer, event.target.told); });
  pre.addEventListener("pointerleave", () => { if (!chosen) inspector.hidden = true; });
  pre.addEventListener("click", event => {
    if (!event.target.told) return;
    const same = event.target.dataset.token === at.token;
    go("group", {run: at.run, id: at.id, token: same ? null : event.target.dataset.token});
  });
  return pre;
}

function inspect(inspector, answer, token) {
  inspector.hidden = false;
  const shown = token.text === "" ? "(a part of the next letter)" : token.text.replaceAll("\n", "⏎").replaceAll(" ", "␣");
  put(empty(inspector), el("code", {}, shown), el("span", {}, `answer ${answer.number}, token ${token.place + 1} of ${token.count}`),
    token.seen ? el("span", {}, "shown to the policy, not sampled")
      : [el("span", {}, `log-probability ${number(token.logprob, 3)}`),
        el("span", {}, `probability ${percent(Math.exp(token.logprob), token.logprob < -3 ? 2 : 1)}`),
        el("span", {class: token.advantage > 0 ? "good" : token.advantage < 0 ? "bad" : ""}, `advantage ${signed(token.advantage)}`),
        token.ratio !== null && el("span", {}, `ratio ${number(token.ratio, 3)}`),
        token.clipped && el("b", {class: "bad"}, "clipped"),
        token.entropy !== null && el("span", {}, `entropy ${number(token.entropy, 3)}`),
        !token.advantage && el("span", {class: "soft"}, "no gradient")]);
}

function empty(node) {
  node.replaceChildren();
  return node;
}

function bestAndWorst(own) {
  const best = own.answers[0], worst = own.answers[own.answers.length - 1];
  const runs = difference(best.text, worst.text);
  const side = (answer, mine, other) => el("article", {class: "answer"}, header(answer),
    el("pre", {class: "text"}, runs.filter(([kind]) => kind !== other).map(([kind, text]) =>
      kind === "same" ? text : el(mine === "gone" ? "ins" : "del", {}, text))));
  return [side(best, "gone", "new"), side(worst, "new", "gone")];
}
