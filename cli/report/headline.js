function card(name, [value, unit = ""], note, className) {
  const figure = element("div", "value " + (className || ""), value, " ", element("small", "", unit));
  return element("div", "card", element("div", "name", name), figure, element("div", "note", note));
}

function simulatedNote(comparison) {
  const planned = comparison && comparison.planned_step_seconds;
  return planned === undefined || planned === null ? "simulated" : `with the routing of the run; ${formatSeconds(planned)} as planned`;
}

function disturbanceCards(disturbance) {
  if (!disturbance || !disturbance.disturbed) return [];
  const quiet = disturbance.undisturbed_steps, error = disturbance.undisturbed_step_error;
  const note = quiet > 0
    ? `${quiet} of ${disturbance.steps} steps undisturbed: ${formatSeconds(disturbance.undisturbed_step_seconds)}${error === undefined ? "" : `, error ${formatPercent(error)}`}`
    : disturbance.steps > 0 ? "no step was undisturbed" : disturbance.sentence;
  return [card("Machine disturbed", [(100 * Math.max(disturbance.share, disturbance.steal_share)).toFixed(0), "%"], note, "bad")];
}

function drawHeadline() {
  const comparison = report.comparison;
  const cards = [];
  for (const side of sides) {
    const timeline = report[side];
    const note = side === "measured" ? `median of ${timeline.num_steps} step${timeline.num_steps === 1 ? "" : "s"}` : simulatedNote(comparison);
    cards.push(card(`Step, ${side}`, secondsParts(timeline.step_seconds), note));
  }
  if (comparison) {
    const good = Math.abs(comparison.step_error) <= 0.1;
    cards.push(card("Step error", formatPercent(comparison.step_error).split(" "), "of the measured step", good ? "good" : "bad"));
    const p95 = (100 * comparison.p95_task_error).toFixed(1);
    cards.push(card("Median task error", [(100 * comparison.median_task_error).toFixed(1), "%"], `95th percentile: ${p95}\u00a0%`));
  }
  cards.push(...disturbanceCards(report.disturbance));
  const side = sides[sides.length - 1];
  if (side) {
    const timeline = report[side];
    const share = (seconds) => (timeline.span_seconds > 0 ? (100 * seconds / timeline.span_seconds).toFixed(0) : "0") + " % of " + side + " step";
    cards.push(card("Compute", secondsParts(timeline.compute_seconds), share(timeline.compute_seconds)));
    cards.push(card("Exposed communication", secondsParts(timeline.exposed_communication_seconds), share(timeline.exposed_communication_seconds)));
    if (timeline.exposed_transfer_seconds > 0) cards.push(card("Exposed transfer", secondsParts(timeline.exposed_transfer_seconds), share(timeline.exposed_transfer_seconds)));
    if (timeline.bubble_seconds > 0) cards.push(card("Pipeline bubble", secondsParts(timeline.bubble_seconds), share(timeline.bubble_seconds)));
    const peak = timeline.run_peak_bytes || timeline.peak_bytes;
    if (peak > 0) {
      const limit = deviceCapacity;
      const of = timeline.run_peak_bytes ? `${side} over all steps` : side;
      const note = limit > 0 ? `${(100 * peak / limit).toFixed(1)} % of ${formatBytes(limit)}, ${of}` : of;
      cards.push(card("Peak memory", bytesParts(peak), note, limit > 0 && peak > limit ? "bad" : ""));
    }
  }
  byId("headline").append(...cards);
}

function drawSummary() {
  const ranks = sides.length ? report[sides[0]].num_ranks : 0;
  const what = sides.length === 2 ? "One step, predicted and measured" : sides.length ? `One step, ${sides[0]}` : "Plan without a timeline";
  byId("subtitle").textContent = what + (ranks ? ` on ${ranks} rank${ranks === 1 ? "" : "s"}` : "");
  if (report.comparison && !report.comparison.same_plan) {
    document.querySelector("header").append(element("p", "warning", "The two timelines come from different plans: their differences are not errors of prediction alone."));
  }
  byId("summary-section").hidden = report.summary.length === 0;
  for (const [name, value] of report.summary) byId("summary").append(element("div", "", element("dt", "", name), element("dd", "", value)));
}

drawSummary();
drawHeadline();
