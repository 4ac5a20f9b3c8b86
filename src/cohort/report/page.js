// Reads a value off a curve under the pointer; a click opens the kept step nearest to it.
// The page says everything without this script.
"use strict";
const LEFT = 46, RIGHT = 308, WIDTH = 320, TOP = 10, BOTTOM = 126;
const SVG = "http://www.w3.org/2000/svg";

function nearest(numbers, wanted) {
  return numbers.reduce((best, n, i) =>
    Math.abs(n - wanted) < Math.abs(numbers[best] - wanted) ? i : best, 0);
}

function follow(chart) {
  const steps = chart.dataset.x.split(",").map(Number);
  const values = chart.dataset.y.split(",");
  const first = Number(chart.dataset.first), span = Number(chart.dataset.last) - first;
  const x = step => span ? LEFT + (step - first) / span * (RIGHT - LEFT) : (LEFT + RIGHT) / 2;
  const output = chart.closest("figure").querySelector("output");
  const last = output.textContent;
  const rule = document.createElementNS(SVG, "path");
  rule.setAttribute("class", "rule");
  const under = event => {
    const box = chart.getBoundingClientRect();
    const at = (event.clientX - box.left) / box.width * WIDTH;
    return nearest(steps.map(x), at);
  };
  chart.addEventListener("pointermove", event => {
    const i = under(event);
    rule.setAttribute("d", `M${x(steps[i])} ${TOP}V${BOTTOM}`);
    chart.append(rule);
    output.textContent = `step ${steps[i]}: ${values[i] ? Number(values[i]).toPrecision(4) : "-"}`;
  });
  chart.addEventListener("pointerleave", () => {
    rule.remove();
    output.textContent = last;
  });
  chart.addEventListener("click", event => {
    const stage = chart.closest("[data-stage]").dataset.stage;
    const kept = [...document.querySelectorAll(`[id^="s${stage}-"]`)];
    if (!kept.length) return;
    const numbers = kept.map(step => Number(step.id.split("-")[1]));
    const step = kept[nearest(numbers, steps[under(event)])];
    step.open = true;
    step.scrollIntoView({behavior: "smooth"});
  });
}

document.querySelectorAll("svg[data-x]").forEach(follow);
