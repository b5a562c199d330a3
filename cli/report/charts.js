// Charts by Chart.js, where the program was built with it: what they share, and the waterfall of the step.
const haveCharts = typeof Chart !== "undefined";
const classes = [["compute", "compute"], ["communication", "exposed communication"], ["transfer", "exposed transfer"], ["bubble", "pipeline bubble"], ["idle", "idle"]];

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

// A window in which the labels of an axis would leave no room for the chart.
const narrowWindow = matchMedia("(max-width: 640px)");
const isNarrow = () => narrowWindow.matches;
narrowWindow.addEventListener("change", redrawAll);

// Bars stand on the end of the previous one: [{label, kind, predicted: [from, to], measured: [from, to]}] in seconds.
function waterfallBars() {
  const at = Object.fromEntries(sides.map((side) => [side, 0]));
  const bars = [];
  report[sides[0]].phases.forEach((phase, p) => {
    for (const [kind, name] of classes) {
      const bar = { label: isNarrow() ? [`${phase.name}:`, name] : `${phase.name}: ${name}`, kind };
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
  byId("waterfall-frame").style.height = isNarrow() ? `${60 + 36 * bars.length}px` : "";  // two lines for each label
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

if (sides.length === 2) byId("waterfall-note").append(" Light bars are predicted, full ones measured.");
byId("waterfall-section").hidden = sides.length === 0;
if (sides.length) drawChart("waterfall-frame", "waterfall", waterfallChart);
