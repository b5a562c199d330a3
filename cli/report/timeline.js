const timelineCanvas = byId("timeline");
const timelineIndex = indexTimeline();
const timeWindow = new TimeWindow(Math.max(0, ...sides.map((side) => Math.max(report[side].span_seconds, report[side].step_seconds))));
const ranksPerPage = sides.length === 2 ? 4 : 8;
let shownRanks = [];
let timelineLayout = { placed: [], height: 0 };
let singledOut = null;  // operator name
let hovered = null;     // {label, rank}
const timelineFollowers = [];  // charts that show the same window of time

let canvasWidth = timelineCanvas.clientWidth;  // read once per drawing: asking the page is slow
const plotWidth = () => canvasWidth - labelWidth;
const xOf = (time) => labelWidth + (time - timeWindow.from) / (timeWindow.to - timeWindow.from) * plotWidth();
const timeAt = (x) => timeWindow.from + (x - labelWidth) / plotWidth() * (timeWindow.to - timeWindow.from);

// Round times in the window, as [seconds, label].
function timeTicks() {
  const length = timeWindow.to - timeWindow.from;
  const [factor, unit] = axisUnit(length, "seconds");
  const step = tickStep(length / factor, Math.max(2, plotWidth() / 110));
  const places = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let n = Math.ceil(timeWindow.from / factor / step); n * step * factor <= timeWindow.to; ++n) ticks.push([n * step * factor, `${(n * step).toFixed(places)} ${unit}`]);
  return ticks;
}

function drawTimeAxis(context, height) {
  context.font = "12px system-ui, sans-serif";
  context.textAlign = "center";
  for (const [time, label] of timeTicks()) {
    const x = xOf(time);
    context.fillStyle = css("grid");
    context.fillRect(Math.round(x), axisHeight, 1, height - axisHeight);
    context.fillStyle = css("muted");
    const half = context.measureText(label).width / 2;
    context.fillText(label, Math.min(Math.max(x, labelWidth + half), canvasWidth - half), 15);
  }
}

function drawRowLabels(context, { rank, lane, side, y, firstOfLane, firstOfRank, firstOfSide }, colours) {
  if (firstOfRank) {
    context.fillStyle = colours.line;
    context.fillRect(0, y - rankGap / 2, canvasWidth, 1);
  }
  context.textAlign = "left";
  context.fillStyle = colours.ink;
  context.font = "600 12.5px system-ui, sans-serif";
  if (firstOfRank) context.fillText(`rank ${rank}`, 0, y + 13);
  context.font = "12px system-ui, sans-serif";
  if (firstOfLane) context.fillText(lane.replace("_", " "), 56, y + 13);
  context.fillStyle = colours[side];
  context.font = "11.5px system-ui, sans-serif";
  if (firstOfSide) context.fillText(side, 124, y + 13);
}

// Tasks narrower than a pixel share one column, so that drawing costs at most one rectangle per pixel and row.
function drawRowTasks(context, { row, y, side, rank }) {
  const rows = report[side].rows;
  const pixel = (timeWindow.to - timeWindow.from) / plotWidth();  // in seconds
  for (let i = firstAfter(row, timeWindow.from); i < row.start.length && row.start[i] < timeWindow.to;) {
    const left = Math.max(xOf(row.start[i]), labelWidth);
    const right = Math.min(xOf(row.start[i] + row.duration[i]), canvasWidth);
    const [label, operator] = rows[row.task[i]];
    const width = Math.max(right - left - (right - left > 3 ? 1 : 0), 1);
    context.fillStyle = operatorColour(operator, singledOut && singledOut !== operator ? 0.13 : 1);
    context.fillRect(left, y, width, rowHeight);
    if (width > 44) drawTaskLabel(context, label, left, y, width);
    if (hovered && hovered.label === label && hovered.rank === rank) {
      context.strokeStyle = css("ink");
      context.lineWidth = 2;
      context.strokeRect(left + 0.5, y + 0.5, Math.max(width - 1, 2), rowHeight - 1);
    }
    i = right - left < 1 ? Math.max(i + 1, firstAfter(row, row.start[i] + pixel)) : i + 1;
  }
}

// The whole label where it fits, else as many of its last parts as fit.
function drawTaskLabel(context, label, left, y, width) {
  context.font = "11px system-ui, sans-serif";
  context.textAlign = "left";
  context.fillStyle = "#fff";
  const parts = label.split(" / ");
  while (parts.length > 1 && context.measureText(parts.join(" / ")).width > width - 8) parts.shift();
  const text = parts.join(" / ");
  if (context.measureText(text).width <= width - 8) context.fillText(text, left + 4, y + 12.5);
}

function drawStepEnds(context, height) {
  for (const side of sides) {
    const x = xOf(report[side].step_seconds);
    if (x < labelWidth || x > canvasWidth) continue;
    context.strokeStyle = css(side);
    context.lineWidth = 1;
    context.setLineDash([4, 3]);
    context.beginPath();
    context.moveTo(Math.round(x) - 0.5, axisHeight - 4);
    context.lineTo(Math.round(x) - 0.5, height);
    context.stroke();
    context.setLineDash([]);
  }
}

function drawTimeline() {
  const { placed, height } = timelineLayout;
  canvasWidth = timelineCanvas.clientWidth;
  const context = prepareCanvas(timelineCanvas, canvasWidth, height);
  const colours = { ink: css("ink"), line: css("line"), predicted: css("predicted"), measured: css("measured") };
  drawTimeAxis(context, height);
  for (const line of placed) {
    drawRowLabels(context, line, colours);
    drawRowTasks(context, line);
  }
  drawStepEnds(context, height);
  timelineFollowers.forEach((follow) => follow());
}

function itemAt(x, y) {
  const line = timelineLayout.placed.find((candidate) => y >= candidate.y && y < candidate.y + rowHeight + rowGap);
  if (!line || x < labelWidth) return null;
  const slack = 2 * (timeWindow.to - timeWindow.from) / plotWidth();  // two pixels, so that thin tasks can be hit
  const time = timeAt(x), i = firstAfter(line.row, time - slack);
  if (i >= line.row.start.length || line.row.start[i] > time + slack) return null;
  return { ...line, task: line.row.task[i], start: line.row.start[i], duration: line.row.duration[i] };
}

// The same task of the same rank on the other side: its duration in seconds, or null.
function durationOnOtherSide(item, label) {
  const other = sides.find((side) => side !== item.side);
  const tracks = other && (timelineIndex.get(item.rank)[item.lane] || {})[other];
  for (const row of tracks || []) {
    for (let i = 0; i < row.task.length; ++i) if (report[other].rows[row.task[i]][0] === label) return row.duration[i];
  }
  return null;
}

function describeItem(event, item) {
  const [label, operator, lane, phase] = report[item.side].rows[item.task];
  const lines = [`rank ${item.rank}, ${lane.replace("_", " ")}, ${operator}, ${phase}`,
                 `${item.side}: starts at ${formatSeconds(item.start)}, takes ${formatSeconds(item.duration)}`];
  const other = durationOnOtherSide(item, label);
  if (other !== null) {
    const [predicted, measured] = item.side === "predicted" ? [item.duration, other] : [other, item.duration];
    const error = measured > 0 ? `, error ${formatPercent(predicted / measured - 1)}` : "";
    lines.push(`${item.side === "predicted" ? "measured" : "predicted"}: takes ${formatSeconds(other)}${error}`);
  }
  showTooltip(event, label, lines);
  return { label, rank: item.rank };
}

function hover(event) {
  const item = itemAt(event.offsetX, event.offsetY);
  const before = hovered;
  hovered = item ? describeItem(event, item) : null;
  if (!item) hideTooltip();
  if (JSON.stringify(before) !== JSON.stringify(hovered)) requestAnimationFrame(drawTimeline);
}

function changeWindow(change) {
  change();
  requestAnimationFrame(drawTimeline);
}

function listenToTimeline() {
  let dragged = null;
  timelineCanvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const sideways = Math.abs(event.deltaX) > Math.abs(event.deltaY);
    changeWindow(() => (sideways ? timeWindow.move(event.deltaX / plotWidth() * (timeWindow.to - timeWindow.from))
                                 : timeWindow.zoom(Math.exp(Math.max(-100, Math.min(100, event.deltaY)) * 0.002), timeAt(Math.max(event.offsetX, labelWidth)))));
  }, { passive: false });
  timelineCanvas.addEventListener("pointerdown", (event) => { dragged = event.clientX; timelineCanvas.setPointerCapture(event.pointerId); });
  timelineCanvas.addEventListener("pointerup", () => { dragged = null; });
  timelineCanvas.addEventListener("pointermove", (event) => {
    if (dragged === null) return hover(event);
    const by = (dragged - event.clientX) / plotWidth() * (timeWindow.to - timeWindow.from);
    dragged = event.clientX;
    changeWindow(() => timeWindow.move(by));
  });
  timelineCanvas.addEventListener("pointerleave", () => { hovered = null; hideTooltip(); drawTimeline(); });
  timelineCanvas.addEventListener("dblclick", () => changeWindow(() => timeWindow.reset()));
  const middle = () => (timeWindow.from + timeWindow.to) / 2;
  const keys = { "+": () => timeWindow.zoom(0.6, middle()), "-": () => timeWindow.zoom(1 / 0.6, middle()), "0": () => timeWindow.reset(),
                 ArrowLeft: () => timeWindow.move((timeWindow.from - timeWindow.to) / 8), ArrowRight: () => timeWindow.move((timeWindow.to - timeWindow.from) / 8) };
  timelineCanvas.addEventListener("keydown", (event) => { if (keys[event.key]) { event.preventDefault(); changeWindow(keys[event.key]); } });
  byId("zoom-in").onclick = () => changeWindow(keys["+"]);
  byId("zoom-out").onclick = () => changeWindow(keys["-"]);
  byId("zoom-reset").onclick = () => changeWindow(keys["0"]);
}

function drawLegend() {
  const present = new Set(sides.flatMap((side) => report[side].rows.map((row) => row[1])));
  const names = Object.keys(operatorColours).filter((name) => present.has(name));
  const buttons = names.map((name) => element("button", "", swatch(operatorColour(name)), name));
  buttons.forEach((button, i) => {
    button.onclick = () => {
      singledOut = singledOut === names[i] ? null : names[i];
      buttons.forEach((other, k) => other.classList.toggle("off", singledOut !== null && singledOut !== names[k]));
      drawTimeline();
    };
  });
  byId("legend").append(...buttons);
}

function chooseRanks(first) {
  const ranks = Math.max(...sides.map((side) => report[side].num_ranks));
  shownRanks = Array.from({ length: Math.min(ranksPerPage, ranks - first) }, (_, i) => first + i);
  timelineLayout = layoutRows(timelineIndex, shownRanks);
  drawTimeline();
}

function startTimeline() {
  byId("timeline-section").hidden = sides.length === 0;
  if (sides.length === 0) return;
  const ranks = Math.max(...sides.map((side) => report[side].num_ranks));
  byId("rank-choice").hidden = ranks <= ranksPerPage;
  for (let first = 0; first < ranks; first += ranksPerPage) {
    const last = Math.min(first + ranksPerPage, ranks) - 1;
    byId("ranks").append(new Option(first === last ? `${first}` : `${first} – ${last}`, first));
  }
  byId("ranks").onchange = (event) => chooseRanks(Number(event.target.value));
  drawLegend();
  listenToTimeline();
  chooseRanks(0);
  redraws.push(drawTimeline);
  new ResizeObserver(() => requestAnimationFrame(drawTimeline)).observe(byId("timeline-frame"));
}

startTimeline();
