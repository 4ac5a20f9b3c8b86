// Elements, made of names and text alone: nothing here reads markup, so no text can become some.
const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name, value);
    else if (name === "data") Object.assign(node.dataset, value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  put(node, ...children);
  return node;
}

export function put(node, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    node.append(child instanceof Node ? child : document.createTextNode(String(child)));
  }
  return node;
}

export function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

export function choice(label, options, chosen, pick) {
  return el("div", {class: "choice", role: "group", "aria-label": label},
    options.map(([value, text, title]) => el("button", {
      type: "button", title, "aria-pressed": String(value === chosen), click: () => pick(value),
    }, text)));
}

export function table(head, rows, kind = "") {
  return el("div", {class: "scroll"}, el("table", {class: kind},
    el("thead", {}, el("tr", {}, head.map(cell => el("th", {scope: "col"}, cell)))),
    el("tbody", {}, rows)));
}
