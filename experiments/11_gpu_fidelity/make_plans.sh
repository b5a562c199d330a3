#!/usr/bin/env bash
# Makes the committed plans again. usage: make_plans.sh MOESAIC    (the program, for example build/release/cli/moesaic)
set -euo pipefail
MOESAIC=${1:?usage: make_plans.sh MOESAIC}
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$HERE"

plan() { # NAME MODEL WORKLOAD RANKS
  "$MOESAIC" plan --model "$2" --workload "documents/$3.json" --cluster h200-1x8 --ranks "$4" -o "plans/$1.json" >/dev/null
}

# Changes a decision by hand; what the planner promised and compared then no longer holds.
changed() { # FROM TO PYTHON: statements on `plan`
  python3 - "plans/$1.json" "plans/$2.json" "$3" <<'PY'
import json, sys
with open(sys.argv[1], encoding="utf-8") as stream:
    plan = json.load(stream)
for promise in ("prediction", "decisions"):
    plan.pop(promise, None)
exec(sys.argv[3])
with open(sys.argv[2], "w", encoding="utf-8") as stream:
    stream.write(json.dumps(plan, indent=1) + "\n")
PY
  "$MOESAIC" validate "plans/$2.json"
}

for ranks in 1 2; do
  plan "tiny-f32-$ranks" gpt-moe-tiny short-f32 "$ranks"
  plan "tiny-bf16-$ranks" documents/gpt-moe-tiny-bf16.json short-bf16 "$ranks"
done
plan small-bf16-1 documents/gpt-moe-small-bf16.json short-bf16 1
plan gpu-1 documents/gpt-moe-gpu.json long-bf16 1
plan gpu-2 documents/gpt-moe-gpu.json long-bf16 2
# All-to-alls even where the planner would rather copy every expert.
for format in f32 bf16; do
  changed "tiny-$format-2" "tiny-$format-2" 'plan["layout"]["ep"] = 2; plan["placement"] = []'
done
# Experts' states in host memory, fetched two layers ahead.
changed gpu-1 gpu-host-1 'plan["expert_storage"]["home"] = "host"; plan["prefetch"]["experts"] = 2'
# One decision changed at a time, and some together: what a prediction must tell apart.
vary() { # BASE SUFFIX PYTHON
  changed "$1" "${1%-1}-$2-1" "$3"
}
for base in small-bf16-1 gpu-1; do
  vary "$base" chunks2 'plan["dispatch"]["chunks"] = 2'
  vary "$base" chunks4 'plan["dispatch"]["chunks"] = 4'
  vary "$base" padded 'plan["dispatch"].update(kind="padded", capacity_factor=1.25)'
  vary "$base" micro2 'plan["layout"]["micro_batches"] = 2'
  vary "$base" micro4 'plan["layout"]["micro_batches"] = 4'
  vary "$base" recompute 'plan["layout"]["recompute"] = "full"'
  vary "$base" slices2 'plan["layout"]["expert_slices"] = 2; plan["placement"] = []'
  vary "$base" micro2-chunks2-recompute 'plan["layout"].update(micro_batches=2, recompute="full"); plan["dispatch"]["chunks"] = 2'
done
changed gpu-1 gpu-host-late-1 'plan["expert_storage"]["home"] = "host"'
changed gpu-1 gpu-host-micro2-1 'plan["expert_storage"]["home"] = "host"; plan["prefetch"]["experts"] = 2; plan["layout"]["micro_batches"] = 2'
