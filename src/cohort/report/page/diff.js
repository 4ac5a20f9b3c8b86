// What two texts have in common, word by word: the longest common subsequence of their pieces.
const MOST = 1500;

export function piecesOf(text) {
  return text.match(/\s+|[\p{L}\p{N}_]+|[^\s\p{L}\p{N}_]/gu) || [];
}

// Runs of pieces: [kind, text], kind "same", "gone" (only in the first) or "new" (only in the second).
export function difference(one, other) {
  const a = piecesOf(one), b = piecesOf(other);
  let head = 0, tail = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const runs = [];
  const add = (kind, text) => {
    if (!text) return;
    const last = runs[runs.length - 1];
    if (last && last[0] === kind) last[1] += text; else runs.push([kind, text]);
  };
  add("same", a.slice(0, head).join(""));
  middle(a.slice(head, a.length - tail), b.slice(head, b.length - tail), add);
  add("same", a.slice(a.length - tail).join(""));
  return runs;
}

function middle(a, b, add) {
  if (a.length > MOST || b.length > MOST) {
    add("gone", a.join(""));
    add("new", b.join(""));
    return;
  }
  const width = b.length + 1, long = new Uint16Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      long[i * width + j] = a[i] === b[j] ? long[(i + 1) * width + j + 1] + 1
        : Math.max(long[(i + 1) * width + j], long[i * width + j + 1]);
  let i = 0, j = 0;
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) { add("same", a[i]); i++; j++; }
    else if (j >= b.length || (i < a.length && long[(i + 1) * width + j] >= long[i * width + j + 1])) add("gone", a[i++]);
    else add("new", b[j++]);
  }
}
