// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/paint.hpp"

namespace twill {

/// Rows below a headline, each column as wide as its widest cell.
class Table {
 public:
  struct Cell {
    Cell(std::string what) : text(std::move(what)) {}
    Cell(const char* what) : text(what) {}
    Cell(std::string what, Tone how) : text(std::move(what)), tone(how) {}
    std::string text;
    std::optional<Tone> tone;
  };

  /// The last column may have no name: what is to be said of a row.
  explicit Table(std::vector<Cell> headline);
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  /// On stdout, in colours where paint() gives any.
  void print() const;

 private:
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace twill
