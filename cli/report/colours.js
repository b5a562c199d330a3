// One hue per family of operators; forward, input gradient and weight gradient differ in lightness.
const operatorColours = {
  embed: [205, 16, 62], norm: [210, 14, 68], add: [210, 10, 74], activation: [200, 18, 56], cross_entropy: [205, 20, 46],
  linear: [174, 48, 46], attention: [214, 62, 56], router: [262, 40, 70], permute: [262, 42, 62], regroup: [262, 38, 54],
  unpermute: [262, 44, 58], experts: [33, 76, 56],
  embed_backward: [205, 16, 50], norm_backward: [210, 14, 56], activation_backward: [200, 18, 46], linear_dgrad: [174, 46, 38],
  linear_wgrad: [160, 42, 54], attention_backward: [222, 52, 48], router_backward: [268, 34, 60], permute_backward: [268, 36, 52],
  unpermute_backward: [268, 38, 48], experts_dgrad: [26, 72, 50], experts_wgrad: [42, 72, 54],
  adamw: [78, 42, 46], clear: [210, 8, 66], load_experts: [20, 30, 44], fetch_experts: [46, 46, 46], drain_gradients: [54, 30, 54],
  update_experts: [92, 38, 40], store_experts: [8, 34, 52], all_to_all: [354, 62, 58], all_reduce: [326, 46, 54], all_gather: [312, 38, 62], reduce_scatter: [338, 48, 46],
};
function operatorColour(name, alpha = 1) {
  const [hue, saturation, lightness] = operatorColours[name] || [0, 0, 55];
  return `hsl(${hue} ${saturation}% ${lightness}% / ${alpha})`;
}
const swatch = (colour) => { const node = element("i", "swatch"); node.style.background = colour; return node; };
const rankHues = [214, 33, 160, 354, 262, 190, 78, 326, 12, 232, 140, 290, 48, 205, 338, 100];
