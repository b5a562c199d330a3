// Nothing else includes CUTLASS: this file alone takes as long to compile as the rest of the room.
#include <cutlass/cutlass.h>
#include <cutlass/gemm/device/gemm_universal_adapter.h>
#include <cutlass/epilogue/collective/collective_builder.hpp>
#include <cutlass/gemm/collective/collective_builder.hpp>
#include <cutlass/gemm/group_array_problem_shape.hpp>
#include <cutlass/gemm/kernel/gemm_universal.hpp>

#include "core/schema/error.h"
#include "executor/cuda/grouped_kernels_sm90.h"

#ifndef NDEBUG
#error "the asserts of CUTLASS are function calls, around which the compiler serializes wgmma (ptxas C7510)"
#endif

namespace moesaic::executor::cuda {
namespace {

using cute::Shape;
using Bf16 = cutlass::bfloat16_t;
using Sm90 = cutlass::arch::Sm90;
using TensorOp = cutlass::arch::OpClassTensorOp;
using RowMajor = cutlass::layout::RowMajor;
using ColumnMajor = cutlass::layout::ColumnMajor;

template <GroupedTile>
struct Tile;
// Two warp groups compute halves of one tile.
template <>
struct Tile<GroupedTile::wide> {
  using Block = Shape<cute::_128, cute::_256, cute::_64>;
  using Cluster = Shape<cute::_2, cute::_1, cute::_1>;
  using Mainloop = cutlass::gemm::KernelPtrArrayTmaWarpSpecializedCooperative;
  using Epilogue = cutlass::epilogue::PtrArrayTmaWarpSpecializedCooperative;
};
// Two warp groups compute a tile each, so that one stores while the other multiplies.
template <>
struct Tile<GroupedTile::narrow> {
  using Block = Shape<cute::_128, cute::_128, cute::_64>;
  using Cluster = Shape<cute::_1, cute::_2, cute::_1>;
  using Mainloop = cutlass::gemm::KernelPtrArrayTmaWarpSpecializedPingpong;
  using Epilogue = cutlass::epilogue::PtrArrayTmaWarpSpecializedPingpong;
};

// How the stored operands are read, and what is added to the product.
template <GroupedProduct>
struct Operands;
template <>
struct Operands<GroupedProduct::forward> {  // a [rows, k], b [n, k] as its transpose
  using A = RowMajor;
  using B = ColumnMajor;
  using C = void;
};
template <>
struct Operands<GroupedProduct::dgrad> {  // a [rows, n], b [n, k]
  using A = RowMajor;
  using B = RowMajor;
  using C = void;
};
template <>
struct Operands<GroupedProduct::wgrad> {  // a [rows, n] as its transpose, b [rows, k], and d itself
  using A = ColumnMajor;
  using B = RowMajor;
  using C = Bf16;
};

constexpr int kAlignment = 8;  // elements: 16 bytes, the unit of the tensor memory accelerator

template <GroupedProduct product, GroupedTile tile>
struct Kernel {
  using O = Operands<product>;
  using T = Tile<tile>;
  using Epilogue = typename cutlass::epilogue::collective::CollectiveBuilder<
      Sm90, TensorOp, typename T::Block, typename T::Cluster, cutlass::epilogue::collective::EpilogueTileAuto, float,
      float, typename O::C, RowMajor*, kAlignment, Bf16, RowMajor*, kAlignment, typename T::Epilogue,
      cutlass::epilogue::fusion::LinearCombination<Bf16, float>>::CollectiveOp;
  using Mainloop = typename cutlass::gemm::collective::CollectiveBuilder<
      Sm90, TensorOp, Bf16, typename O::A*, kAlignment, Bf16, typename O::B*, kAlignment, float, typename T::Block,
      typename T::Cluster,
      cutlass::gemm::collective::StageCountAutoCarveout<static_cast<int>(sizeof(typename Epilogue::SharedStorage))>,
      typename T::Mainloop>::CollectiveOp;
  using Problems = cutlass::gemm::GroupProblemShape<Shape<int, int, int>>;
  using Universal = cutlass::gemm::kernel::GemmUniversal<Problems, Mainloop, Epilogue>;
  using Gemm = cutlass::gemm::device::GemmUniversalAdapter<Universal>;

  // What grouped_arrays writes is what CUTLASS reads: strides of 1 and 0 are types without content.
  static_assert(sizeof(typename Universal::InternalStrideA) == sizeof(int64_t));
  static_assert(sizeof(typename Universal::InternalStrideB) == sizeof(int64_t));
  static_assert(sizeof(typename Universal::InternalStrideD) == sizeof(int64_t));
  static_assert(sizeof(Shape<int, int, int>) == sizeof(GroupedShape));
};

template <typename To>
To* as(const void* p) {
  return static_cast<To*>(const_cast<void*>(p));
}

template <typename K>
typename K::Gemm::Arguments arguments(const GroupedKernel& kernel, const GroupedArrays& arrays, int32_t products) {
  using U = typename K::Universal;
  typename K::Gemm::Arguments args{};
  args.mode = cutlass::gemm::GemmUniversalMode::kGrouped;
  args.problem_shape = {products, as<Shape<int, int, int>>(arrays.shape), nullptr};
  args.mainloop = {as<const Bf16*>(arrays.a), as<typename U::InternalStrideA>(arrays.stride_a),
                   as<const Bf16*>(arrays.b), as<typename U::InternalStrideB>(arrays.stride_b)};
  args.epilogue.ptr_D = as<Bf16*>(arrays.d);
  args.epilogue.dD = as<typename U::InternalStrideD>(arrays.stride_d);
  args.epilogue.thread.alpha = 1.0f;
  args.epilogue.thread.beta = 0.0f;
  if constexpr (!std::is_void_v<typename K::O::C>) {  // in place: a block loads exactly the tile that it will store
    args.epilogue.ptr_C = as<const Bf16*>(arrays.d);
    args.epilogue.dC = as<typename U::InternalStrideC>(arrays.stride_d);
    args.epilogue.thread.beta = 1.0f;
  }
  args.hw_info.sm_count = kernel.multiprocessors;
  using Order = std::remove_cvref_t<decltype(args.scheduler.raster_order)>;
  args.scheduler.raster_order = kernel.tiles_go_down ? Order::AlongM : Order::AlongN;
  return args;
}

void check(cutlass::Status status) {
  if (status != cutlass::Status::kSuccess)
    throw DeviceError(std::string("cuda: grouped product: ") + cutlassGetStatusString(status));
}

template <typename K>
void launch(const GroupedKernel& kernel, const GroupedArrays& arrays, int32_t products, void* workspace,
            Stream stream) {
  const auto args = arguments<K>(kernel, arrays, products);
  check(K::Gemm::can_implement(args));
  typename K::Gemm gemm;
  check(gemm.run(args, workspace, stream));
}

/// visit(Kernel<...>{}) for the one that is asked for.
template <typename Visit>
decltype(auto) with_kernel(const GroupedKernel& kernel, const Visit& visit) {
  using enum GroupedProduct;
  using enum GroupedTile;
  const bool is_wide = kernel.tile == wide;
  if (kernel.product == forward) return is_wide ? visit(Kernel<forward, wide>{}) : visit(Kernel<forward, narrow>{});
  if (kernel.product == dgrad) return is_wide ? visit(Kernel<dgrad, wide>{}) : visit(Kernel<dgrad, narrow>{});
  return is_wide ? visit(Kernel<wgrad, wide>{}) : visit(Kernel<wgrad, narrow>{});
}

}  // namespace

Bytes grouped_workspace_bytes(const GroupedKernel& kernel) {
  return with_kernel(kernel, [&]<typename K>(K) {
    return static_cast<Bytes>(K::Gemm::get_workspace_size(arguments<K>(kernel, {}, 1)));
  });
}

void launch_grouped_kernel(const GroupedKernel& kernel, const GroupedArrays& arrays, int32_t products, void* workspace,
                           Stream stream) {
  with_kernel(kernel, [&]<typename K>(K) { launch<K>(kernel, arrays, products, workspace, stream); });
}

}  // namespace moesaic::executor::cuda
