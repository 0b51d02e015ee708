// SPDX-License-Identifier: Apache-2.0
#include "table.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "terminal.hpp"

namespace twill {

Table::Table(std::vector<Cell> headline) {
  for (Cell& cell : headline) cell.tone = Tone::bold;
  rows_.push_back(std::move(headline));
}

void Table::print() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].text.size());
  }
  for (const auto& row : rows_) {
    std::string line;
    std::size_t blanks = 0;  // not at a line's end, where they make it wrap
    for (std::size_t i = 0; i < row.size(); ++i) {
      const Cell& cell = row[i];
      if (!cell.text.empty()) {
        line.append(blanks, ' ');
        blanks = 0;
        line += cell.tone ? paint(*cell.tone, cell.text) : cell.text;
      }
      blanks += widths[i] - cell.text.size() + 2;
    }
    fmt::print("{}\n", line);
  }
}

}  // namespace twill
