// SPDX-License-Identifier: Apache-2.0
#include "heap.hpp"

#include <cstddef>
#include <cstdlib>
#include <memory>

#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

namespace twill {
namespace {

/// Bytes of addresses, not of memory: what an agent with 20,000 peers needs.
constexpr int kHeap = 256 * 1024 * 1024;
constexpr int kLargestBlock = 32 * 1024 * 1024;  // M_MMAP_THRESHOLD takes no more
constexpr std::size_t kHugePage = std::size_t{2} * 1024 * 1024;

char* heapEnd() {
  return static_cast<char*>(::sbrk(0));
}

}  // namespace

void useHugePages() {
  // One heap for all threads that grows at once, keeps what it has, and takes large blocks as well.
  ::mallopt(M_ARENA_MAX, 1);
  ::mallopt(M_TOP_PAD, kHeap);
  ::mallopt(M_TRIM_THRESHOLD, kHeap);
  ::mallopt(M_MMAP_THRESHOLD, kLargestBlock);
  char* const before = heapEnd();
  // More than is left of what the heap begins with; volatile, or a compiler leaves both calls out.
  void* volatile block = std::malloc(kHugePage);
  std::free(block);
  auto size = static_cast<std::size_t>(heapEnd() - before);
  void* begin = before;
  if (std::align(kHugePage, kHugePage, begin, size) != nullptr) (void)::madvise(begin, size, MADV_HUGEPAGE);
}

}  // namespace twill
