// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "base/result.hpp"

namespace twill {

/// The whole file. Refuses one that is longer than `limit` bytes (hostile input), naming the path and the
/// limit.
[[nodiscard]] Result<std::string> readFile(const std::string& path, std::size_t limit = 64U << 20U);

enum class Durability {
  process,  ///< survives a kill -9 of this process at any point: written aside, then renamed
  power,    ///< survives a power failure too: file and directory are fsynced
};

/// Replace `path` in one step: readers see the old text or the new, never a part. The directory must exist.
/// On failure the old file is untouched and nothing is left beside it.
[[nodiscard]] Result<void> writeFile(const std::string& path, std::string_view text, Durability durability,
                                     mode_t mode = 0644);

/// Puts `line` at the front of the file, in place and in one write: what a kill -9 leaves is the old line or
/// the new, though a power failure may leave neither. Cheaper than writeFile() by a file made and one
/// deleted, which on ext4 costs more the more files were deleted lately. Whatever stood behind a longer line
/// stays.
[[nodiscard]] Result<void> overwriteLine(const std::string& path, std::string_view line);

/// mkdir -p; a directory that is there already is fine.
[[nodiscard]] Result<void> makeDirectories(const std::string& path, mode_t mode = 0755);

}  // namespace twill
