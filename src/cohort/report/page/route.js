// The place in the page is the address's hash: `#/groups?run=0&stage=2&step=40`, so Back works everywhere.
export const VIEWS = ["curves", "groups", "health", "machine", "recipe"];

export function place() {
  const [path, query] = location.hash.replace(/^#\/?/, "").split("?");
  const given = Object.fromEntries(new URLSearchParams(query || ""));
  const view = [...VIEWS, "group", "search"].includes(path) ? path : "curves";
  return {view, ...given, run: Number(given.run) || 0};
}

export function addressOf(view, given) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(given))
    if (value !== null && value !== undefined && value !== "") query.set(name, value);
  return `#/${view}?${query}`;
}

export function go(view, given, {replace = false} = {}) {
  const address = addressOf(view, given);
  if (address === location.hash) return;
  if (replace) {
    history.replaceState(null, "", address);
    window.dispatchEvent(new HashChangeEvent("hashchange"));
  } else {
    location.hash = address;
  }
}
