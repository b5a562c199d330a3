#pragma once
// Rows that go to a node once per token; the rule is that of executor/cpu/once_per_node.h. It is not fast and not for
// use outside tests.

#include <cstdint>
#include <span>

namespace moesaic::executor::reference {

void place_once(const std::int32_t* rows, std::int64_t m, std::int64_t rows_per_token,
                std::span<const std::int64_t> node_starts, std::int32_t* places, std::int32_t* counts);

}  // namespace moesaic::executor::reference
