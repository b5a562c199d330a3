"use strict";
// Figures as people read them, and small helpers to build elements. Labels become text nodes, never markup.

const report = JSON.parse(document.getElementById("data").textContent);
const byId = (id) => document.getElementById(id);
const css = (name) => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

function element(tag, className, ...children) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  node.append(...children);
  return node;
}

// Three significant digits, but never fewer than the integer part has.
function digits(value) {
  const magnitude = Math.abs(value);
  return value.toFixed(magnitude >= 100 || magnitude === 0 ? 0 : magnitude >= 10 ? 1 : 2);
}

function scaled(value, steps) {
  const step = steps.find(([factor]) => Math.abs(value) >= factor * 0.9995) || steps[steps.length - 1];
  return [digits(value / step[0]), step[1]];
}
const secondsParts = (s) => Math.abs(s) >= 599.5 ? scaled(s, [[3600, "h"], [60, "min"]]) : scaled(s, [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]]);
const bytesParts = (b) => scaled(b, [[1e12, "TB"], [1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]]);
const formatSeconds = (s) => secondsParts(s).join(" ");
const formatBytes = (b) => bytesParts(b).join(" ");
const formatMs = (s) => (s * 1e3).toFixed(3);

// From one figure to another; from ten times on as a factor.
function formatPercent(share, places = 1) {
  if (share >= 9) return Math.round(1 + share).toLocaleString("en") + "x";
  const text = (100 * share).toFixed(places);
  const zero = Number(text) === 0;
  return (zero ? "0" + (places ? "." + "0".repeat(places) : "") : share > 0 ? "+" + text : text.replace("-", "−")) + " %";
}

// The unit in which an axis of this length has readable numbers: [factor, name].
function axisUnit(length, kind) {
  const steps = kind === "bytes" ? [[1e9, "GB"], [1e6, "MB"], [1e3, "kB"], [1, "B"]] : [[1, "s"], [1e-3, "ms"], [1e-6, "µs"], [1e-9, "ns"]];
  return steps.find(([factor]) => length >= 2 * factor) || steps[steps.length - 1];
}

// 1, 2 or 5 times a power of ten, at most `count` of them in the length.
function tickStep(length, count) {
  const raw = length / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  return power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.9999);
}

const sides = ["predicted", "measured"].filter((name) => report[name]);
const deviceCapacity = (report.tiers.find((tier) => tier.tier === "device") || { capacity_bytes: 0 }).capacity_bytes;
const redraws = [];  // called when the window or the colour scheme changes
function redrawAll() { redraws.forEach((draw) => draw()); }
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redrawAll);

const tooltip = byId("tooltip");
function showTooltip(event, title, lines) {
  tooltip.replaceChildren(element("b", "", title), ...lines.map((line) => element("span", "", line)));
  tooltip.hidden = false;
  const box = tooltip.getBoundingClientRect();
  tooltip.style.left = Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 8)) + "px";
  tooltip.style.top = (event.clientY + 18 + box.height > innerHeight ? event.clientY - box.height - 10 : event.clientY + 18) + "px";
}
function hideTooltip() { tooltip.hidden = true; }

// A canvas of CSS pixels that is sharp on dense screens.
function prepareCanvas(canvas, width, height) {
  const ratio = devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(height * ratio);
  canvas.style.height = height + "px";
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}
