#include "core/cost/tile_choice.h"

#include <cmath>

#include "core/cost/kernel_grid.h"

namespace moesaic {
namespace {

double roughness(const KernelTable& table, const TableBase& base) {
  const KernelGrid whole(table, base);
  double sum = 0;
  for (unsigned axis = 0; axis < table.axes.size(); ++axis) {
    KernelGrid rest(table, base);
    rest.thin(1U << axis);
    double deviation = 0;
    const std::vector<KernelGrid::Point> points = whole.left_out(1U << axis);
    for (const KernelGrid::Point& at : points) deviation += std::abs(rest.read(at).factor / whole.read(at).factor - 1);
    if (!points.empty()) sum += deviation / static_cast<double>(points.size());
  }
  return sum;
}

}  // namespace

TileShape smoothest_tile(const KernelTable& products, const TableBase& base) {
  constexpr TileShape kCandidates[] = {{}, {128, 256}, {128, 128}};
  if (base.device.multiprocessors == 0) return {};
  KernelTable table = products;
  TileShape best;
  double least = 0;
  for (const TileShape candidate : kCandidates) {
    table.tile = candidate;
    const double found = roughness(table, base);
    if (candidate.rows == 0 || found < least) best = candidate, least = found;
  }
  return best;
}

}  // namespace moesaic
