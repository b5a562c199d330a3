// How the run learnt: loss, validation loss, learning rate and gradient norm over its steps, by Chart.js.
const training = report.training;

// Points of a curve: each stands in the middle of the steps whose mean it is; skipped steps leave a gap.
function trainingPoints(values) {
  return values.map((value, i) => ({ x: training.steps[i], y: value }));
}

function trainingLine(label, data, colour, extra = {}) {
  return { label, data, borderColor: css(colour), backgroundColor: css(colour), borderWidth: 1.75, pointRadius: data.length === 1 ? 3 : 0, pointHitRadius: 6, ...extra };
}

// The values of an axis with three digits, whatever their size.
const axisNumber = (value) => (value === 0 ? "0" : Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5 ? value.toExponential(1).replace("e-", "e−") : String(Number(value.toPrecision(3))));

function trainingChart(title, lines, last) {
  return () => {
    chartFont();
    return {
      type: "line",
      data: { datasets: lines() },
      options: {
        maintainAspectRatio: false, parsing: false, interaction: { mode: "nearest", axis: "x", intersect: false },
        scales: { x: axis(last ? "step" : "", { type: "linear", min: Math.floor(training.steps[0]) - 1, max: Math.ceil(training.steps[training.steps.length - 1]), title: { display: last, text: "step", color: css("muted") }, ticks: { precision: 0 } }),
                  y: axis(title, { ticks: { callback: axisNumber }, afterFit: (scale) => { scale.width = 78; } }) },
        plugins: { legend: { display: lines().length > 1, align: "end", labels: { color: css("ink"), boxWidth: 18, boxHeight: 2 } },
                   tooltip: { callbacks: { title: (items) => `step ${items[0].raw.x}`, label: (item) => ` ${item.dataset.label}: ${axisNumber(item.raw.y)}` } } },
      },
    };
  };
}

function drawTraining() {
  const validated = training.validation.length > 0;
  const charts = [
    ["loss", training.loss, () => [trainingLine("training", trainingPoints(training.loss), "predicted")].concat(validated
      ? [trainingLine("validation", training.validation.map(([x, y]) => ({ x, y })), "measured", { pointRadius: training.validation.length > 60 ? 0 : 3 })] : [])],
    ["learning rate", training.learning_rate, () => [trainingLine("learning rate", trainingPoints(training.learning_rate), "good")]],
    ["gradient norm", training.gradient_norm, () => [trainingLine("gradient norm", trainingPoints(training.gradient_norm), "transfer")]],
  ].filter(([, values]) => values.length > 0);
  const notes = [training.steps_per_point > 1 ? `Each point is the mean of ${training.steps_per_point} steps.` : "", training.sampled ? "Of a long run, a sample of its steps." : "", validated ? "Validation is the cross-entropy on held-out text, without the auxiliary loss." : "",
                 training.gradient_norm.length > 0 ? "The norm is that before clipping." : "", [training.loss, training.gradient_norm].some((values) => values.includes(null)) ? "Skipped steps leave a gap." : ""];
  byId("training-note").textContent = notes.filter((note) => note).join(" ");
  charts.forEach(([title, , lines], i) => {
    const canvas = element("canvas"), frame = element("div", "chart training-chart" + (i === 0 ? " first" : ""), canvas);
    canvas.id = `training-${i}`;
    frame.id = `training-frame-${i}`;
    byId("training").append(frame);
    drawChart(frame.id, canvas.id, trainingChart(title, lines, i === charts.length - 1));
  });
}

const learnt = training && training.steps.length > 0;
byId("training-section").hidden = !learnt;
if (learnt) drawTraining();
