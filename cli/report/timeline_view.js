// What the timeline shows: rows of tasks that do not overlap, each sorted by start, and the window of time that is visible.
const laneOrder = ["compute", "network", "copy_in", "copy_out", "storage", "host"];
const rowHeight = 17, rowGap = 2, laneGap = 8, rankGap = 16, axisHeight = 26, labelWidth = 186;

// rows: rank -> lane -> side -> [track] -> {start, duration, task}, times in seconds.
function indexTimeline() {
  const index = new Map();
  for (const side of sides) {
    const { rows, times } = report[side];
    for (let i = 0; i < times.length; i += 5) {
      const [rank, task, track] = [times[i], times[i + 1], times[i + 2]];
      const lane = rows[task][2];
      if (!index.has(rank)) index.set(rank, {});
      const tracks = ((index.get(rank)[lane] ||= {})[side] ||= []);
      const row = (tracks[track] ||= { start: [], duration: [], task: [] });
      row.start.push(times[i + 3] * 1e-9);
      row.duration.push(times[i + 4] * 1e-9);
      row.task.push(task);
    }
  }
  for (const lanes of index.values()) for (const lane of Object.values(lanes)) for (const tracks of Object.values(lane)) tracks.forEach(sortRow);
  return index;
}

function sortRow(row) {
  const order = row.start.map((_, i) => i).sort((a, b) => row.start[a] - row.start[b] || row.duration[a] - row.duration[b]);
  for (const key of ["start", "duration", "task"]) row[key] = order.map((i) => row[key][i]);
}

// First item of the row that ends after `time`; items of a row do not overlap, so their ends are sorted too.
function firstAfter(row, time) {
  let low = 0, high = row.start.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (row.start[middle] + row.duration[middle] > time) high = middle; else low = middle + 1;
  }
  return low;
}

// Where each row of the chosen ranks stands: [{rank, lane, side, row, y, first of lane, first of rank}], and the height of all.
function layoutRows(index, ranks) {
  const placed = [];
  let y = axisHeight + 6;
  for (const rank of ranks) {
    const lanes = index.get(rank) || {};
    let firstOfRank = true;
    for (const lane of laneOrder.filter((name) => lanes[name])) {
      let firstOfLane = true;
      for (const side of sides) {
        let firstOfSide = true;
        for (const row of lanes[lane][side] || []) {
          placed.push({ rank, lane, side, row, y, firstOfLane, firstOfRank, firstOfSide });
          y += rowHeight + rowGap;
          firstOfLane = firstOfRank = firstOfSide = false;
        }
      }
      y += laneGap;
    }
    y += rankGap - laneGap;
  }
  return { placed, height: y };
}

// The window [from, to) in seconds, kept inside the step and no narrower than 100 ns.
class TimeWindow {
  constructor(span) { this.span = span > 0 ? span * 1.01 : 1; this.reset(); }
  reset() { this.from = 0; this.to = this.span; }
  set(from, length) {
    length = Math.min(Math.max(length, 1e-7), this.span);
    this.from = Math.min(Math.max(from, 0), this.span - length);
    this.to = this.from + length;
  }
  zoom(factor, around) { this.set(around - (around - this.from) * factor, (this.to - this.from) * factor); }
  move(by) { this.set(this.from + by, this.to - this.from); }
}
