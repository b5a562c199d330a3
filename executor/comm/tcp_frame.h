#pragma once
// The form in which messages follow one another on a connection: a header, then that many bytes.

#include <cstdint>

namespace moesaic::executor {

struct TcpFrame {
  enum Kind : int64_t {
    kMessage = 1,
    kGoodbye = 2,  // the last one: this rank has come to its end as it should
    kAbort = 3,    // the last one: the bytes say why nobody can go on
  };
  int64_t kind = kMessage;
  int64_t tag = 0;
  int64_t bytes = 0;
};

}  // namespace moesaic::executor
