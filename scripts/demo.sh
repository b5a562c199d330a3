#!/usr/bin/env bash
# The demo: measures this machine, plans, simulates, executes on 2 ranks, compares, and says what came out. Takes the build folder.
set -euo pipefail

BUILD=${1:?usage: demo.sh BUILD_FOLDER}
MOESAIC="$BUILD/cli/moesaic"
OUT=${MOESAIC_DEMO_OUT:-$PWD/moesaic-demo}
MODEL=gpt-moe-tiny
WORKLOAD=cpu-demo

step() { printf '\n\033[1m%s\033[0m\n' "$1" >&2; }
figure() { python3 -c 'import json,sys; print(eval(sys.argv[2], {"j": json.load(open(sys.argv[1]))}))' "$1" "$2"; }

mkdir -p "$OUT"

step "1/5  Measure this machine: the operators and collectives that the model needs, both cores busy"
"$MOESAIC" profile -o "$OUT/machine" --model "$MODEL" --workload "$WORKLOAD" --budget 30

step "2/5  Plan: search layouts, placement, buckets and chunks; every candidate timed by SimGrid"
"$MOESAIC" plan --model "$MODEL" --cluster "$OUT/machine" --profile "$OUT/machine" --workload "$WORKLOAD" -o "$OUT/plan.json"

step "3/5  Simulate the plan"
"$MOESAIC" simulate "$OUT/plan.json" --json --trace "$OUT/predicted.trace.json" > "$OUT/simulated.json"
printf '  predicted step  %s ms\n' "$(figure "$OUT/simulated.json" 'round(1e3 * j["step_seconds"], 2)')"

step "4/5  Execute exactly that plan: train on 2 ranks (text: Debian's licences)"
"$MOESAIC" execute "$OUT/plan.json" --steps 40 --trace "$OUT/measured.trace.json" -o "$OUT/result.json"

step "5/5  Compare, task by task"
"$MOESAIC" compare "$OUT/plan.json" "$OUT/result.json" --json --report "$OUT/report.html" > "$OUT/comparison.json"

# A sentence of its own when other work has disturbed the steps.
DISTURBED=$(figure "$OUT/comparison.json" '(lambda d: "" if not d["disturbed"] else
  "\n  T%s%s" % (d["sentence"][1:], "; no step was undisturbed." if not d["undisturbed_steps"] else
                 "; against its %d undisturbed steps of %d the error is %+.1f %%." %
                 (d["undisturbed_steps"], d["steps"], 100 * d["undisturbed_step_error"])))(j["disturbance"])')

cat <<TEXT

What happened
  A Mixture-of-Experts language model ($MODEL, 8 experts, 2 per token) was planned for this machine and really trained on
  2 processes with that plan, from byte-level text.
  The loss went from $(figure "$OUT/result.json" 'round(j["loss"][0], 3)') to $(figure "$OUT/result.json" 'round(j["loss"][-1], 3)') in $(figure "$OUT/result.json" 'len(j["loss"])') steps.
  With the routing that it chose, a step was predicted to take $(figure "$OUT/comparison.json" 'round(1e3 * j["predicted_step_seconds"], 1)') ms; it took $(figure "$OUT/comparison.json" 'round(1e3 * j["measured_step_seconds"], 1)') ms (error $(figure "$OUT/comparison.json" '"%+.1f %%" % (100 * j["step_error"])')).$DISTURBED
  Half of the tasks were predicted within $(figure "$OUT/comparison.json" '"%.0f %%" % (100 * j["median_task_error"])').

Look at it
  $OUT/report.html                 both timelines, memory, waterfall, placement: open in a browser
  $OUT/*.trace.json                open in https://ui.perfetto.dev
  ./run moesaic explain $OUT/plan.json
TEXT
