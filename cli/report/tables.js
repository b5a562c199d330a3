// columns: [{title, text (left aligned)}]; cells are strings or nodes.
function table(columns, rows, totals = []) {
  const cellsOf = (cells) => cells.map((cell, i) => {
    const node = element("td", columns[i].text ? "text" : columns[i].className || "");
    node.append(...(Array.isArray(cell) ? cell : [cell]));
    return node;
  });
  const head = element("tr", "", ...columns.map((column) => element("th", column.text ? "text" : "", column.title)));
  const body = element("tbody", "", ...rows.map((cells) => element("tr", "", ...cellsOf(cells))), ...totals.map((cells) => element("tr", "total", ...cellsOf(cells))));
  return element("div", "scroll", element("table", "", element("thead", "", head), body));
}

function errorCell(error, places = 1) {
  const node = element("span", Math.abs(error) > 0.2 ? "bad" : "", formatPercent(error, places));
  return node;
}

function barPair(values, largest) {
  return sides.map((side) => {
    const bar = element("i", "");
    bar.style.width = largest > 0 ? Math.max(0.5, 100 * values[side] / largest) + "%" : "0";
    bar.style.background = css(side);
    return bar;
  });
}

// By phase and class, the table behind the waterfall.
function drawPhases() {
  if (sides.length === 0) return;
  const whole = Object.fromEntries(sides.map((side) => [side, report[side].span_seconds]));
  const columns = [{ title: "phase", text: true }, { title: "time", text: true },
                   ...sides.flatMap((side) => [{ title: `${side} (ms)` }, { title: "share of the step" }])];
  const cellsOf = (phase, name, value) => [phase, name, ...sides.flatMap((side) => [formatMs(value(side)), whole[side] > 0 ? (100 * value(side) / whole[side]).toFixed(1) + " %" : ""])];
  const rows = [];
  report[sides[0]].phases.forEach((phase, p) => {
    for (const [kind, name] of classes) {
      const value = (side) => report[side].phases[p][kind];
      if (sides.some((side) => value(side) > 0)) rows.push(cellsOf(phase.name, [swatch(css(kind)), name], value));
    }
  });
  byId("phases").append(table(columns, rows, [cellsOf("step", "", (side) => whole[side])]));
}

function drawOperators() {
  byId("operators-section").hidden = sides.length === 0;
  if (sides.length === 0) return;
  if (sides.some((side) => report[side].num_stages > 1)) byId("operators-note").append(" Pipeline stages add up; waiting for other stages is left out.");
  if (sides.length === 2) byId("operators-note").append(...sides.flatMap((side) => [swatch(css(side)), side]));
  const sums = Object.fromEntries(sides.map((side) => [side, report[side].operators]));
  const names = [...new Set(sides.flatMap((side) => Object.keys(sums[side])))];
  const value = (name, side) => (sums[side][name] ? sums[side][name].seconds : 0);
  const main = sides[sides.length - 1];
  names.sort((a, b) => value(b, main) - value(a, main) || (a < b ? -1 : 1));
  const largest = Math.max(...names.flatMap((name) => sides.map((side) => value(name, side))));
  const errors = new Map((report.comparison ? report.comparison.operators : []).map((group) => [group.name, group.relative_error]));
  const columns = [{ title: "operator", text: true }, { title: "", className: "bars" }, { title: "tasks" },
                   ...sides.map((side) => ({ title: `${side} (ms)` })), ...(errors.size ? [{ title: "error" }] : [])];
  const rows = names.map((name) => {
    const values = Object.fromEntries(sides.map((side) => [side, value(name, side)]));
    const cells = [[swatch(operatorColour(name)), name], barPair(values, largest), String((sums[main][name] || sums[sides[0]][name]).tasks), ...sides.map((side) => formatMs(values[side]))];
    if (errors.size) cells.push(errorCell(errors.get(name)));
    return cells;
  });
  byId("operators").append(table(columns, rows));
}

function drawTasks() {
  const comparison = report.comparison;
  byId("tasks-section").hidden = !comparison;
  if (!comparison) return;
  const counted = `Median and 95th percentile are over ${comparison.counted_tasks} of ${comparison.total_tasks} tasks: those longer than 20 µs or 0.1 % of the step.`;
  const alone = ["predicted", "measured"].map((side) => [side, comparison["only_" + side].length]).filter(([, n]) => n > 0)
                    .map(([side, n]) => ` ${n} task${n === 1 ? " is" : "s are"} only in the ${side} timeline.`);
  byId("tasks-note").textContent = counted + alone.join("");
  const columns = [{ title: "task", text: true }, { title: "predicted (ms)" }, { title: "measured (ms)" }, { title: "error" }, { title: "share of the step" }];
  const rows = comparison.tasks.map((task) => [[swatch(operatorColour(task.operator)), task.label], formatMs(task.predicted_seconds), formatMs(task.measured_seconds),
                                               errorCell(task.relative_error), formatPercent(task.contribution, 2)]);
  byId("tasks").append(table(columns, rows));
}

drawPhases();
drawOperators();
drawTasks();
