// Layers down, ranks across; the colour is the load of a rank relative to the mean of its layer.
const placementLeft = 66, placementTop = 22, imbalanceWidth = 78;
const strongestShare = 0.5;  // loads 50 % away from the mean have the full colour

function loadColour(relative) {
  if (relative === undefined) return css("neutral-cell");
  const share = Math.max(-1, Math.min(1, (relative - 1) / strongestShare));
  return `color-mix(in srgb, ${share >= 0 ? css("measured") : css("predicted")} ${Math.round(Math.abs(share) * 100)}%, ${css("neutral-cell")})`;
}

function placementSize() {
  const layers = report.placement;
  const ranks = Math.max(...layers.map((layer) => layer.slot_to_expert.length / layer.slots_per_rank));
  const space = byId("placement-frame").clientWidth - placementLeft - imbalanceWidth;
  return { ranks, cell: Math.max(2, Math.min(72, space / ranks)), row: layers.length > 40 ? 12 : 22 };
}

function drawPlacement() {
  const layers = report.placement;
  const { ranks, cell, row } = placementSize();
  const width = placementLeft + ranks * cell + imbalanceWidth, height = placementTop + layers.length * row + 2;
  byId("placement").style.width = width + "px";
  const context = prepareCanvas(byId("placement"), width, height);
  context.font = "12px system-ui, sans-serif";
  const every = Math.ceil(26 / cell);  // labels need 26 pixels
  context.textAlign = "center";
  context.fillStyle = css("muted");
  for (let rank = 0; rank < ranks; rank += every) context.fillText(rank === 0 ? "rank 0" : rank, placementLeft + (rank + 0.5) * cell, 14);
  context.fillText("max / mean", placementLeft + ranks * cell + imbalanceWidth / 2, 14);
  layers.forEach((layer, l) => drawPlacementRow(context, layer, l, placementTop + l * row, ranks, cell, row));
}

function drawPlacementRow(context, layer, index, y, ranks, cell, row) {
  const loads = layer.relative_load;
  context.fillStyle = css("muted");
  context.textAlign = "right";
  if (row > 14 || index % 2 === 0) context.fillText(`layer ${index}`, placementLeft - 8, y + row / 2 + 4);
  context.textAlign = "center";
  for (let rank = 0; rank < ranks; ++rank) {
    context.fillStyle = loadColour(loads[rank]);
    context.fillRect(placementLeft + rank * cell, y, cell > 6 ? cell - 1 : cell, row - 1);
    if (loads.length && cell >= 40 && row > 14) {
      context.fillStyle = css("ink");
      context.fillText(loads[rank].toFixed(2), placementLeft + (rank + 0.5) * cell, y + row / 2 + 4);
    }
  }
  context.fillStyle = css("ink");
  if (loads.length) context.fillText(Math.max(...loads).toFixed(2), placementLeft + ranks * cell + imbalanceWidth / 2, y + row / 2 + 4);
}

function hoverPlacement(event) {
  const { ranks, cell, row } = placementSize();
  const rank = Math.floor((event.offsetX - placementLeft) / cell), index = Math.floor((event.offsetY - placementTop) / row);
  const layer = report.placement[index];
  if (!layer || rank < 0 || rank >= ranks || event.offsetY < placementTop) return hideTooltip();
  const experts = layer.slot_to_expert.slice(rank * layer.slots_per_rank, (rank + 1) * layer.slots_per_rank);
  const load = layer.relative_load.length ? [`load ${layer.relative_load[rank].toFixed(3)} of the mean of the layer`] : [];
  showTooltip(event, `layer ${index}, rank ${rank}`, [`expert${experts.length === 1 ? "" : "s"} ${experts.join(", ")}`, ...load]);
}

function startPlacement() {
  byId("placement-section").hidden = report.placement.length === 0;
  if (report.placement.length === 0) return;
  const known = report.placement.some((layer) => layer.relative_load.length);
  byId("placement-note").textContent = "MoE layers down, ranks of one expert-parallel group across. " +
      (known ? `The figure is the ${report.loads_recorded ? "recorded load of a rank, mean over the steps of the run," : "expected load of a rank"} relative to the mean of its layer; replicas share the load of their expert equally.` : "Loads are unknown.");
  byId("placement").addEventListener("pointermove", hoverPlacement);
  byId("placement").addEventListener("pointerleave", hideTooltip);
  const scale = () => {
    const ramp = element("span", "ramp");
    ramp.style.background = `linear-gradient(to right, ${css("predicted")}, ${css("neutral-cell")}, ${css("measured")})`;
    byId("placement-scale").replaceChildren("0.5 of the mean", ramp, "1.5 of the mean");
    byId("placement-scale").hidden = !known;
  };
  const draw = () => { drawPlacement(); scale(); };
  draw();
  redraws.push(draw);
  addEventListener("resize", () => requestAnimationFrame(drawPlacement));
}

startPlacement();
