// Which colour a token gets: a class, of which the style sheet makes the colour.
export const MODES = [
  ["logprob", "log-probability", "How surprising the token was to the policy"],
  ["advantage", "advantage", "What is learned from it"],
  ["taught", "taught or dropped", "Which tokens have a gradient"],
  ["plain", "plain", "No colours"],
];

const EDGES = [0.02, 0.1, 0.3, 0.7, 1.2, 2, 3, 5];

export const LEGENDS = {
  logprob: ["", [["lp-0", "certain"], ["lp-3", "likely"], ["lp-5", "one of several"], ["lp-8", "a surprise (below 1 %)"]]],
  advantage: ["", [["ad-4", "becomes likelier"], ["ad-0", "neither"], ["ad--4", "becomes less likely"]]],
  taught: ["", [["ad-3", "has a gradient"], ["dropped", "has none: its advantage is 0, or its group was left out"], ["seen", "was shown, not sampled"]]],
  plain: ["", []],
};

export function surprise(logprob) {
  const at = EDGES.findIndex(edge => -logprob < edge);
  return at < 0 ? 8 : at;
}

export function colourOf(mode, token, scale) {
  if (token.seen) return "seen";
  if (mode === "logprob") return token.logprob === null ? "" : `lp-${surprise(token.logprob)}`;
  if (mode === "advantage") return `ad-${Math.round(4 * Math.max(-1, Math.min(1, (token.advantage || 0) / scale)))}`;
  if (mode === "taught") return !token.advantage || token.discarded ? "dropped" : token.advantage > 0 ? "ad-3" : "ad--3";
  return "";
}
