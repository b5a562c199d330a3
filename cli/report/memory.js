// Memory over the step: a chart per tier below the same axis as the timeline, in the window that it shows.
const heldHues = { parameters: 214, gradients: 160, "optimizer states": 262, inputs: 190, "expert gradients": 160, "expert states": 262 };
const liveColour = (alpha) => `hsl(33 76% 56% / ${alpha})`;
const heldColour = (name, alpha) => `hsl(${heldHues[name]} 45% 55% / ${alpha})`;
const rankColour = (rank) => `hsl(${rankHues[rank % rankHues.length]} 60% 52%)`;
const leastShareForCapacity = 0.15;  // of the capacity; a peak below it would be a flat line at the bottom
const headroom = [1.15, 1.3];        // of the axis above the capacity, above the highest value: for labels
const tooltipLines = 8;
const dashOf = (side) => (side === "predicted" && sides.length === 2 ? [5, 3] : []);
const sideName = (side) => (sides.length === 2 ? ", " + side : "");

// Value of a curve at a time: that of the last point before. Points are [ns, bytes] after one another.
function bytesAt(points, seconds) {
  let low = 0, high = points.length / 2;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[2 * middle] * 1e-9 <= seconds) low = middle; else high = middle;
  }
  return points[2 * low + 1];
}

// The lines of a tier: [{name, side, colour, points, peak: [seconds, bytes], label}], the highest peak first.
function memoryLines(tier) {
  if (tier.tier === "device") {
    return sides.flatMap((side) => report[side].memory.map((curve) => ({
      name: `rank ${curve.rank}${sideName(side)}`, side, colour: rankColour(curve.rank), points: curve.points, rank: curve.rank,
      peak: [curve.peak_time * 1e-9, curve.peak_bytes], label: `peak ${formatBytes(curve.peak_bytes)}, rank ${curve.rank}${sideName(side)}`,
    }))).sort((a, b) => b.peak[1] - a.peak[1]);
  }
  const held = sum(tier.held.map(([, bytes]) => bytes));
  const flat = (side, bytes, words) => ({ name: words, side, colour: css(side), points: [0, bytes], peak: [timeWindow.span, bytes], label: `${words}: ${formatBytes(bytes)}` });
  const lines = sides.includes("predicted") || !tier.measured_peak_bytes ? [flat("predicted", held, "the whole step" + sideName("predicted"))] : [];
  if (tier.measured_peak_bytes) lines.push(flat("measured", tier.measured_peak_bytes, "peak, measured"));
  return lines.sort((a, b) => b.peak[1] - a.peak[1]);
}
const sum = (values) => values.reduce((a, b) => a + b, 0);

// What is held all the time lies below; what comes and goes fills up to the highest line.
function memoryDatasets(tier, lines, factor) {
  let top = 0;
  const bands = tier.held.map(([name, bytes], i) => {
    top += bytes;
    return { data: [{ x: 0, y: top / factor }, { x: timeWindow.span, y: top / factor }], fill: i === 0 ? "origin" : "-1", backgroundColor: heldColour(name, 0.42),
             borderColor: heldColour(name, 0.9), borderWidth: 0.5, pointRadius: 0, order: 2 };
  });
  const filled = tier.tier === "device" ? lines.find((line) => line.side === sides[sides.length - 1]) : null;
  return bands.concat(lines.map((line) => {
    const data = [];
    for (let i = 0; i < line.points.length; i += 2) data.push({ x: line.points[i] * 1e-9, y: line.points[i + 1] / factor });
    data.push({ x: line.side && report[line.side] ? report[line.side].span_seconds : timeWindow.span, y: data[data.length - 1].y });
    return { data, stepped: true, pointRadius: 0, borderColor: line.colour, borderWidth: line === filled ? 2 : 1.25, borderDash: dashOf(line.side), order: 1,
             fill: line === filled ? { value: top / factor } : false, backgroundColor: liveColour(0.3) };
  }));
}

// Text beside a point, where it covers no other text: the first free place of a few.
function placeLabel(context, area, taken, text, x, y, colour) {
  const width = context.measureText(text).width, height = 15, gap = 12;  // of labels side by side
  const places = [-height - 4, 4, -2 * height - 4, height + 4].flatMap((dy) => [[x + 6, y + dy], [x - width - 6, y + dy]]);
  const boxes = places.map(([left, top]) => ({ left: Math.min(Math.max(left, area.left + 4), area.right - width - 4), top, right: 0, bottom: top + height }));
  boxes.forEach((box) => { box.right = box.left + width; });
  const free = boxes.find((box) => box.top >= area.top - 2 && box.bottom <= area.bottom && !taken.some((other) => box.left < other.right + gap && other.left < box.right + gap && box.top < other.bottom && other.top < box.bottom));
  const box = free || boxes[0];
  taken.push(box);
  context.textAlign = "left";
  context.textBaseline = "top";
  context.lineWidth = 4;
  context.strokeStyle = css("card");
  context.strokeText(text, box.left, box.top + 1);
  context.fillStyle = colour;
  context.fillText(text, box.left, box.top + 1);
}

function drawMemoryLabels(chart, tier, lines, top, factor) {
  const { ctx: context, chartArea: area, scales: { x, y } } = chart;
  const taken = [];
  context.save();
  context.font = "600 12px system-ui, sans-serif";
  context.lineJoin = "round";
  if (tier.capacity_bytes > 0 && capacityFits(tier, top)) {
    const level = y.getPixelForValue(tier.capacity_bytes / factor);
    context.strokeStyle = css("bad");
    context.lineWidth = 1.5;
    context.setLineDash([2, 3]);
    context.beginPath();
    context.moveTo(area.left, level);
    context.lineTo(area.right, level);
    context.stroke();
    context.setLineDash([]);
    placeLabel(context, area, taken, `capacity ${formatBytes(tier.capacity_bytes)}`, area.right, level, css("bad"));
  } else if (tier.capacity_bytes > 0) {
    placeLabel(context, area, taken, `↑ capacity ${formatBytes(tier.capacity_bytes)}, far above: the peak is ${(100 * top / tier.capacity_bytes).toFixed(1)} % of it`, area.right, area.top - 4, css("bad"));
  }
  for (const line of lines.filter((candidate, i) => lines.findIndex((other) => other.side === candidate.side) === i)) {  // the highest of each side
    const [seconds, bytes] = tier.tier === "device" ? line.peak : [x.max, line.peak[1]];
    if (seconds < x.min || seconds > x.max) continue;
    const at = [x.getPixelForValue(seconds), y.getPixelForValue(bytes / factor)];
    if (tier.tier === "device") {
      context.fillStyle = line.colour;
      context.beginPath();
      context.arc(...at, 4, 0, 2 * Math.PI);
      context.fill();
    }
    placeLabel(context, area, taken, line.label, ...at, css(tier.tier === "device" ? "ink" : line.side));
  }
  context.restore();
}

const capacityFits = (tier, top) => top >= leastShareForCapacity * tier.capacity_bytes;

function memoryChart(tier, isLast) {
  chartFont();
  const lines = memoryLines(tier);
  const top = Math.max(sum(tier.held.map(([, bytes]) => bytes)), ...lines.map((line) => line.peak[1]));
  const highest = tier.capacity_bytes > 0 && capacityFits(tier, top) ? Math.max(tier.capacity_bytes * headroom[0], top * headroom[1]) : top * headroom[1];
  const [factor, unit] = axisUnit(highest, "bytes");
  const x = axis(`time since the start of the step${isNarrow() ? "" : ", as in the timeline above"}`, { type: "linear", min: timeWindow.from, max: timeWindow.to, ticks: { maxRotation: 0, autoSkip: false, callback: (_, i, ticks) => ticks[i].text } });
  x.title.display = isLast;
  x.afterBuildTicks = (scale) => { scale.ticks = timeTicks().filter(([time]) => time < timeWindow.to - 0.02 * (timeWindow.to - timeWindow.from)).map(([value, text]) => ({ value, text })); };
  const y = axis(`${tier.tier} (${unit})`, { min: 0, max: highest / factor, ticks: { includeBounds: false, maxTicksLimit: tier.tier === "device" ? 7 : 4 } });
  y.afterFit = (scale) => { scale.width = labelWidth; };
  return {
    type: "line", data: { datasets: memoryDatasets(tier, lines, factor) },
    options: { maintainAspectRatio: false, parsing: false, events: [], layout: { autoPadding: false }, scales: { x, y }, plugins: { legend: { display: false }, tooltip: { enabled: false } } },
    plugins: [{ id: "labels", afterDatasetsDraw: (chart) => drawMemoryLabels(chart, tier, lines, top, factor) }],
  };
}

// The exact values under the pointer.
function hoverMemory(event, tier) {
  const { chartArea: area, scales } = Chart.getChart(event.target);
  if (event.offsetX < area.left || event.offsetX > area.right) return hideTooltip();
  const seconds = scales.x.getValueForPixel(event.offsetX);
  const lines = memoryLines(tier);
  const values = lines.slice(0, tooltipLines).map((line) => `${line.name}: ${formatBytes(bytesAt(line.points, seconds))}`);
  if (lines.length > tooltipLines) values.push(`and ${lines.length - tooltipLines} with lower peaks`);
  const held = tier.held.map(([name, bytes]) => `${name}: ${formatBytes(bytes)}`);
  const shared = tier.ranks > 1 ? `, of a node's ${tier.ranks} ranks` : "";
  showTooltip(event, `${tier.tier} at ${formatSeconds(Math.max(seconds, 0))}`, [...values, held.length ? `of which all through the step${shared}: ${held.join(", ")}` : ""].filter((line) => line));
}

const tierTitle = (tier) => (tier.tier === "device" ? "Device" : tier.tier === "host" ? "Host memory" : "Storage") +
    (tier.tier === "device" ? ", each rank its own" : tier.ranks > 1 ? `, a node of ${tier.ranks} ranks` : ", a node of 1 rank");

function memoryPanel(tier, isLast) {
  const canvas = element("canvas", "");
  canvas.id = `memory-${tier.tier}`;
  const frame = element("div", `chart memory-chart${tier.tier === "device" ? "" : " flat"}${isLast ? " last" : ""}`, canvas);
  frame.id = `memory-${tier.tier}-frame`;
  const keys = tier.held.map(([name, bytes]) => element("span", "key", swatch(heldColour(name, 0.7)), `${name} ${formatBytes(bytes)}`));
  const lines = memoryLines(tier);
  if (tier.tier === "device") {
    keys.push(element("span", "key", swatch(liveColour(0.7)), `comes and goes, rank ${lines.find((line) => line.side === sides[sides.length - 1]).rank}`));
    for (const rank of [...new Set(lines.map((line) => line.rank))].sort((a, b) => a - b)) keys.push(element("span", "key line", swatch(rankColour(rank)), `rank ${rank}`));
  }
  if (tier.capacity_bytes === 0) keys.push(element("span", "muted", "capacity unknown"));
  byId("memory").append(element("div", "memory-keys", element("b", "", tierTitle(tier)), ...keys), frame);
  if (haveCharts) {
    canvas.addEventListener("pointermove", (event) => hoverMemory(event, tier));
    canvas.addEventListener("pointerleave", hideTooltip);
  }
  drawChart(frame.id, canvas.id, () => memoryChart(tier, isLast));
}

function followTimeline() {
  for (const canvas of document.querySelectorAll("#memory canvas")) {
    const chart = Chart.getChart(canvas), { x } = chart.options.scales;
    if (x.min === timeWindow.from && x.max === timeWindow.to) continue;
    [x.min, x.max] = [timeWindow.from, timeWindow.to];
    chart.update("none");
  }
}

function memoryNotes() {
  const notes = ["Coloured areas are held all through the step; above them lies what tasks create and release: activations, gathered weights, buffers."];
  if (sides.length === 2) notes.push("Solid lines are measured, dashed ones predicted.");
  const drawn = new Set(sides.flatMap((side) => report[side].memory.map((curve) => curve.rank))).size, all = Math.max(...sides.map((side) => report[side].num_ranks));
  if (drawn < all) notes.push(`Of ${all} ranks the ${drawn} with the highest peak are drawn.`);
  return notes.join(" ");
}

function startMemory() {
  const sampled = sides.some((side) => report[side].memory.length > 0);
  byId("memory-section").hidden = !sampled;
  if (!sampled) return;
  byId("memory-note").textContent = memoryNotes();
  const tiers = report.tiers.length ? report.tiers : [{ tier: "device", ranks: 1, capacity_bytes: 0, held: [] }];
  tiers.forEach((tier, i) => memoryPanel(tier, i === tiers.length - 1));
  if (haveCharts) timelineFollowers.push(followTimeline);
}

startMemory();
