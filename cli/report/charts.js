// Charts by Chart.js, where the program was built with it: the waterfall of the step and memory over time.
const haveCharts = typeof Chart !== "undefined";
const classes = [["compute", "compute"], ["communication", "exposed communication"], ["transfer", "exposed transfer"], ["idle", "idle"]];
const charts = [];
const maxMemoryLines = 16, maxMemoryPoints = 1500;

function drawChart(frame, canvas, configure) {
  if (!haveCharts) {
    byId(frame).replaceWith(element("p", "warning", "This chart is left out: the program was built without Chart.js (Debian package libjs-chart.js)."));
    return;
  }
  let chart = null;
  const draw = () => { if (chart) chart.destroy(); chart = new Chart(byId(canvas), configure()); };
  draw();
  redraws.push(draw);
}

function axis(title, extra = {}) {
  return { title: { display: true, text: title, color: css("muted") }, grid: { color: css("grid"), borderColor: css("line") },
           ticks: { color: css("muted"), ...(extra.ticks || {}) }, ...Object.fromEntries(Object.entries(extra).filter(([key]) => key !== "ticks")) };
}

const chartFont = () => { Chart.defaults.font.family = "system-ui, sans-serif"; Chart.defaults.font.size = 12; Chart.defaults.animation = false; };

// Bars stand on the end of the previous one: [{label, kind, predicted: [from, to], measured: [from, to]}] in seconds.
function waterfallBars() {
  const at = Object.fromEntries(sides.map((side) => [side, 0]));
  const bars = [];
  report[sides[0]].phases.forEach((phase, p) => {
    for (const [kind, name] of classes) {
      const bar = { label: `${phase.name}: ${name}`, kind };
      for (const side of sides) {
        const seconds = report[side].phases[p][kind];
        bar[side] = [at[side], at[side] + seconds];
        at[side] += seconds;
      }
      if (sides.some((side) => bar[side][1] - bar[side][0] > 0)) bars.push(bar);
    }
  });
  bars.push({ label: "step", kind: "total", ...Object.fromEntries(sides.map((side) => [side, [0, at[side]]])) });
  return bars;
}

function waterfallChart() {
  chartFont();
  const bars = waterfallBars();
  const [factor, unit] = axisUnit(Math.max(...sides.map((side) => bars[bars.length - 1][side][1])), "seconds");
  const colour = (bar) => (bar.kind === "total" ? css("muted") : css(bar.kind));
  return {
    type: "bar",
    data: {
      labels: bars.map((bar) => bar.label),
      datasets: sides.map((side) => ({
        label: side,
        data: bars.map((bar) => bar[side].map((time) => time / factor)),
        backgroundColor: bars.map((bar) => colour(bar) + (side === "predicted" && sides.length === 2 ? "59" : "")),
        borderColor: bars.map(colour), borderWidth: 1, borderSkipped: false, borderRadius: 2, barPercentage: 0.9, categoryPercentage: 0.78,
      })),
    },
    options: {
      indexAxis: "y", maintainAspectRatio: false,
      scales: { x: axis(`time since the start of the step (${unit})`), y: axis("", { title: { display: false }, grid: { display: false }, ticks: { autoSkip: false, color: css("ink") } }) },
      plugins: { legend: { display: false },
                 tooltip: { callbacks: { label: (item) => ` ${item.dataset.label}: ${formatSeconds((item.raw[1] - item.raw[0]) * factor)}` } } },
    },
  };
}

// Memory of each rank as [{x, y}] in the given units; where samples are many, the highest of each stretch is kept.
function memoryLines(side, timeFactor, byteFactor) {
  const lines = new Map();
  const { memory } = report[side];
  for (let i = 0; i < memory.length; i += 3) {
    if (!lines.has(memory[i])) lines.set(memory[i], []);
    lines.get(memory[i]).push({ x: memory[i + 1] * 1e-9 / timeFactor, y: memory[i + 2] / byteFactor });
  }
  for (const [rank, points] of lines) {
    points.sort((a, b) => a.x - b.x);
    const stride = Math.ceil(points.length / maxMemoryPoints);
    if (stride === 1) continue;
    const kept = [];
    for (let i = 0; i < points.length; i += stride) kept.push(points.slice(i, i + stride).reduce((a, b) => (b.y > a.y ? b : a)));
    lines.set(rank, kept);
  }
  return lines;
}

function ranksByPeak() {
  const peaks = new Map();
  for (const side of sides) {
    const { memory } = report[side];
    for (let i = 0; i < memory.length; i += 3) peaks.set(memory[i], Math.max(peaks.get(memory[i]) || 0, memory[i + 2]));
  }
  return [...peaks.keys()].sort((a, b) => peaks.get(b) - peaks.get(a) || a - b);
}

function memoryDatasets(ranks, timeFactor, byteFactor) {
  return sides.flatMap((side) => {
    const lines = memoryLines(side, timeFactor, byteFactor);
    return ranks.filter((rank) => lines.has(rank)).map((rank) => ({
      label: `rank ${rank}` + (sides.length === 2 ? `, ${side}` : ""),
      data: lines.get(rank), stepped: true, pointRadius: 0, pointHitRadius: 6,
      borderColor: `hsl(${rankHues[rank % rankHues.length]} 55% 55%)`,
      borderWidth: side === "predicted" && sides.length === 2 ? 1.25 : 2,
      borderDash: side === "predicted" && sides.length === 2 ? [5, 3] : [],
    }));
  });
}

function memoryChart(ranks) {
  chartFont();
  const peak = Math.max(...sides.map((side) => report[side].peak_bytes));
  const span = Math.max(...sides.map((side) => report[side].span_seconds));
  const [timeFactor, timeUnit] = axisUnit(span, "seconds");
  const [byteFactor, byteUnit] = axisUnit(peak, "bytes");
  const datasets = memoryDatasets(ranks, timeFactor, byteFactor);
  const limit = report.memory_limit_bytes;
  if (limit > 0 && peak > 0.4 * limit) {
    const points = [{ x: 0, y: limit / byteFactor }, { x: span / timeFactor, y: limit / byteFactor }];
    datasets.push({ label: "limit", data: points, pointRadius: 0, borderColor: css("bad"), borderWidth: 1.5, borderDash: [2, 3] });
  }
  return {
    type: "line", data: { datasets },
    options: {
      maintainAspectRatio: false, parsing: false, interaction: { mode: "nearest", axis: "x", intersect: false },
      scales: { x: axis(`time since the start of the step (${timeUnit})`, { type: "linear", min: 0, max: span / timeFactor,
                                                                            ticks: { includeBounds: false } }),
                y: axis(`live device memory (${byteUnit})`, { beginAtZero: true }) },
      plugins: { legend: { position: "right", labels: { color: css("ink"), boxWidth: 18, boxHeight: 1 } },
                 tooltip: { callbacks: { label: (item) => ` ${item.dataset.label}: ${formatBytes(item.parsed.y * byteFactor)}` } } },
    },
  };
}

function startCharts() {
  byId("waterfall-section").hidden = sides.length === 0;
  if (sides.length === 2) byId("waterfall-note").append(" Light bars are predicted, full ones measured.");
  if (sides.length) drawChart("waterfall-frame", "waterfall", waterfallChart);
  const ranks = ranksByPeak();
  byId("memory-section").hidden = ranks.length === 0;
  if (ranks.length === 0) return;
  const limit = report.memory_limit_bytes;
  const peak = Math.max(...sides.map((side) => report[side].peak_bytes));
  const notes = [sides.length === 2 ? "Solid lines are measured, dashed ones predicted." : `Live bytes of each rank, ${sides[0]}.`];
  if (ranks.length > maxMemoryLines) notes.push(`Of ${ranks.length} ranks the ${maxMemoryLines} with the highest peak are drawn.`);
  if (limit > 0) notes.push(`The limit is ${formatBytes(limit)}; the peak is ${(100 * peak / limit).toFixed(1)} % of it.`);
  byId("memory-note").textContent = notes.join(" ");
  drawChart("memory-frame", "memory", () => memoryChart(ranks.slice(0, maxMemoryLines).sort((a, b) => a - b)));
}

startCharts();
