// Which colour a token gets: a class, of which the style sheet makes the colour.
export const MODES = [
  ["logprob", "log-probability", "How surprising the token was to the policy"],
  ["advantage", "advantage", "What is learned from it"],
  ["taught", "taught or dropped", "Which tokens have a gradient, and which were clipped"],
  ["ratio", "ratio", "How much likelier it had become at the step's last update"],
  ["entropy", "entropy", "How unsure the policy was before it"],
  ["plain", "plain", "No colours"],
];

const EDGES = [0.02, 0.1, 0.3, 0.7, 1.2, 2, 3, 5];

export const LEGENDS = {
  logprob: ["", [["lp-0", "certain"], ["lp-3", "likely"], ["lp-5", "one of several"], ["lp-8", "a surprise (below 1 %)"]]],
  advantage: ["", [["ad-4", "becomes likelier"], ["ad-0", "neither"], ["ad--4", "becomes less likely"]]],
  taught: ["", [["ad-3", "has a gradient"], ["clipped", "clipped at the last update"], ["dropped", "has none: its advantage is 0, or its group was left out"], ["seen", "was shown, not sampled"]]],
  ratio: [" At the last update of the step, against the policy that its loss compares with; of a step with one update all are 1.",
    [["ad-4", "likelier"], ["ad-0", "as likely"], ["ad--4", "less likely"], ["clipped", "clipped"], ["dropped", "was in no update"]]],
  entropy: [" In nats, at the last update of the step.", [["lp-0", "sure"], ["lp-3", "some doubt"], ["lp-6", "open"], ["dropped", "was in no update"]]],
  plain: ["", []],
};

const RATIO_REACH = 0.2; // of the logarithm: where the usual clip is
const ENTROPY_EDGES = [0.02, 0.1, 0.3, 0.6, 1, 1.5, 2.2, 3];

function place(value, edges) {
  const at = edges.findIndex(edge => value < edge);
  return at < 0 ? edges.length : at;
}

export const surprise = logprob => place(-logprob, EDGES);

const signedClass = share => `ad-${Math.round(4 * Math.max(-1, Math.min(1, share)))}`;

export function colourOf(mode, token, scale) {
  if (token.seen) return "seen";
  if (mode === "logprob") return token.logprob === null ? "" : `lp-${surprise(token.logprob)}`;
  if (mode === "advantage") return signedClass((token.advantage || 0) / scale);
  if (mode === "ratio" || mode === "entropy") {
    if (token[mode] === null) return "dropped";
    return mode === "entropy" ? `lp-${place(token.entropy, ENTROPY_EDGES)}`
      : `${signedClass(Math.log(Math.max(token.ratio, 1e-9)) / RATIO_REACH)} ${token.clipped ? "clipped" : ""}`;
  }
  if (mode === "taught" && token.clipped) return "clipped";
  if (mode === "taught") return !token.advantage || token.discarded ? "dropped" : token.advantage > 0 ? "ad-3" : "ad--3";
  return "";
}
