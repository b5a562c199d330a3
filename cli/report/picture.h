#pragma once
// The picture of an experiment's result document, drawn once: the same SVG stands in a report and beside the
// experiment's README. It computes no figure that the result does not hold, but shares and differences of them.

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "core/schema/documents.h"

namespace moesaic {

struct Picture {
  std::string title;
  std::string note;  // what the figures are
  std::string svg;   // a whole document
};

constexpr double kPictureWidth = 960;

/// True for results of experiments that have a picture.
bool has_picture(const Json& result);
/// InputError where the document is no such result or lacks a figure; `file` is its name.
Picture draw_picture(const Json& result, const std::string& file);

/// Experiment 03: hit rate against the capacity of the cache, by trace and policy.
Picture cache_curve(const Json& result, const std::string& file);
/// Experiment 08: the step and its exposed times for {none, dense, sparse, both}, predicted and measured.
Picture prefetch_grid_picture(const Json& result, const std::string& file);
/// Experiment 15: core seconds and memory of simulating a step against GPUs and layers, by engine and routing.
Picture cost_growth_picture(const Json& result, const std::string& file);

/// One page around a picture, that opens without a network.
std::string html_picture(const Picture& picture);

}  // namespace moesaic
