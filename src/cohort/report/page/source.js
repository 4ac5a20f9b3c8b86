// Where answers come from: the server, or the table that a report carries. Both give the same.
export class Missing extends Error {}

const TOKEN = "cohort-token";
const LATER = 1500;
let kept = null;

function takeToken() {
  const found = /^#token=([\w-]+)$/.exec(location.hash);
  if (!found) return;
  try { sessionStorage.setItem(TOKEN, found[1]); } catch { /* a browser without storage */ }
  takeToken.value = found[1];
  history.replaceState(null, "", location.pathname + "#/curves");
}

function token() {
  if (takeToken.value) return takeToken.value;
  try { return sessionStorage.getItem(TOKEN) || ""; } catch { return ""; }
}

async function unpack(node) {
  const bytes = Uint8Array.from(atob(node.textContent.trim()), c => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const told = await new Response(stream).json();
  const answers = new Map(told.answers.map(([run, question, given, answer]) =>
    [keyOf(run, question, given), answer]));
  return {runs: told.runs, answers};
}

export function keyOf(run, question, given) {
  const own = Object.entries(given).filter(([, value]) => value !== null && value !== undefined);
  own.sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([run, question, own.map(([name, value]) => [name, String(value)])]);
}

export async function open() {
  takeToken();
  const node = document.getElementById("kept");
  if (node) {
    kept = await unpack(node);
    return kept.runs;
  }
  return (await request("runs", {})).runs;
}

export const isFile = () => kept !== null;

async function request(path, given) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given))
    if (value !== null && value !== undefined) query.set(name, value);
  const answer = await fetch(`api/${path}?${query}`, {
    headers: {Authorization: `Bearer ${token()}`}, cache: "no-store",
  });
  const told = await answer.json();
  if (answer.ok) return told;
  if (answer.status === 503) {
    await new Promise(done => setTimeout(done, LATER));
    return request(path, given);
  }
  throw new Missing(told.error || `the server says ${answer.status}`);
}

export async function ask(run, question, given = {}) {
  if (!kept) return request(`${run}/${question}`, given);
  if (question === "groups") return nearest(run, given);
  if (question === "search") return look(run, given);
  const found = kept.answers.get(keyOf(run, question, given));
  if (!found) throw new Missing("This file does not hold it; `cohort watch` on the run's folder does.");
  return found;
}

function keptSteps(run, stage) {
  const found = [];
  for (const [key, answer] of kept.answers) {
    const [of, question] = JSON.parse(key);
    if (of === run && question === "groups" && answer.stage === stage) found.push(answer);
  }
  return found.sort((a, b) => a.step - b.step);
}

function nearest(run, given) {
  const steps = keptSteps(run, Number(given.stage));
  if (!steps.length) throw new Missing("This file holds no groups of this stage.");
  const wanted = given.step === undefined || given.step === null ? Infinity : Number(given.step);
  let at = steps.length - 1;
  for (let i = 0; i < steps.length; i++)
    if (Math.abs(steps[i].step - wanted) < Math.abs(steps[at].step - wanted)) at = i;
  return {...steps[at], first: steps[0].step, last: steps[steps.length - 1].step,
    previous: at ? steps[at - 1].step : null, next: at + 1 < steps.length ? steps[at + 1].step : null};
}

function look(run, given) {
  const text = given.text.toLowerCase(), groups = [];
  for (const [key, answer] of kept.answers) {
    const [of, question] = JSON.parse(key);
    if (of !== run || question !== "groups") continue;
    for (const row of answer.groups) {
      const whole = kept.answers.get(keyOf(run, "group", {id: row.id}));
      const texts = [row.problem, row.prompt, ...(whole ? [whole.prompt, ...whole.answers.map(a => a.text)] : [])];
      if (texts.some(own => own.toLowerCase().includes(text))) groups.push(row);
    }
  }
  return {groups: groups.sort((a, b) => b.id - a.id), next: null, done: 1};
}
