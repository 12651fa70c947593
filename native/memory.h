// What happens when there is no memory: the standard library throws std::bad_alloc, and it is caught where JavaScript or a
// thread calls us. Nothing of ours throws; what was made until then goes by its destructors.
#pragma once

#include <new>

namespace minibatch {

// f(), or failed() where memory ran out in it.
template <typename F, typename G>
auto OrNoMemory(const F& f, const G& failed) -> decltype(f()) {
  try {
    return f();
  } catch (const std::bad_alloc&) {
    return failed();
  }
}

}  // namespace minibatch
