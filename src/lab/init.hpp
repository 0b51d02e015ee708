// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "base/fd.hpp"
#include "lab/spec.hpp"

namespace twill::lab {

/// What init is told.
struct InitTask {
  Spec spec;
  std::string directory;     ///< where its tmpfs goes
  std::string binDirectory;  ///< where twilld and twill-cni are
  bool mapped = false;       ///< root only in a user namespace
};

/// The lab's first process, made for it in a new PID namespace: builds the lab, then collects processes that
/// end until it is ended itself. Writes to `report`, a line each: ". what it does", and last "+ up" or
/// "! what went wrong".
int runInit(const InitTask& task, Fd report);

}  // namespace twill::lab
