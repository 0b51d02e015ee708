// SPDX-License-Identifier: Apache-2.0
#include "lab/picture.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace twill::lab {
namespace {

constexpr std::size_t kContainersShown = 6;

std::string repeat(std::string_view piece, std::size_t times) {
  std::string out;
  for (std::size_t i = 0; i < times; ++i) out += piece;
  return out;
}

/// The lines inside a machine's box; ASCII but for the branch signs, which take one column each.
struct Line {
  std::string text;
  std::size_t columns = 0;
};
Line plainLine(std::string text) {
  const std::size_t columns = text.size();
  return {std::move(text), columns};
}
Line branch(std::string_view sign, const std::string& text) {
  return {fmt::format("{}{}", sign, text), text.size() + 2};
}

std::vector<Line> contentOf(const MachineView& machine) {
  std::vector<Line> lines;
  const std::size_t shown = std::min(machine.containers.size(), kContainersShown);
  for (std::size_t i = 0; i < shown; ++i) {
    const auto& container = machine.containers[i];
    const char* sign = machine.bridge.empty() ? "─ " : i == 0 ? "┌ " : "├ ";
    lines.push_back(branch(sign, fmt::format("{} {}", container.name, container.addresses)));
  }
  if (shown < machine.containers.size()) {
    lines.push_back(branch(machine.bridge.empty() ? "─ " : "├ ",
                           fmt::format("and {} more", machine.containers.size() - shown)));
  }
  if (!machine.bridge.empty()) lines.push_back(branch(shown > 0 ? "└ " : "  ", machine.bridge));
  for (const auto& uplink : machine.uplinks) lines.push_back(plainLine(uplink));
  return lines;
}

/// A box with a leg towards the segment below.
struct Box {
  std::vector<std::string> lines;
  std::size_t columns = 0;
};

Box boxOf(const MachineView& machine, std::size_t inner, std::size_t height, const Paint& paint) {
  auto content = contentOf(machine);
  content.insert(content.begin(), height - content.size(), Line{});
  const std::string state = machine.ready ? "" : " not ready";
  Box box{.lines = {}, .columns = inner + 4};
  box.lines.push_back(fmt::format("┌ {}{} {}┐", paint(Tone::bold, machine.name), paint(Tone::bad, state),
                                  repeat("─", inner - machine.name.size() - state.size())));
  for (const Line& line : content) {
    box.lines.push_back(fmt::format("│ {}{} │", line.text, std::string(inner - line.columns, ' ')));
  }
  const std::size_t left = (inner + 1) / 2;
  box.lines.push_back(fmt::format("└{}┬{}┘", repeat("─", left), repeat("─", inner + 1 - left)));
  return box;
}

std::size_t innerWidth(const std::vector<MachineView>& machines) {
  std::size_t inner = 0;
  for (const auto& machine : machines) {
    inner = std::max(inner, machine.name.size() + (machine.ready ? 0 : 10));
    for (const Line& line : contentOf(machine)) inner = std::max(inner, line.columns);
  }
  return inner;
}

/// Boxes side by side, and under them the segment, which their legs stand on.
std::string rowOf(const std::vector<MachineView>& machines, std::size_t inner, const std::string& label,
                  const Paint& paint) {
  std::size_t height = 0;
  for (const auto& machine : machines) height = std::max(height, contentOf(machine).size());
  std::vector<Box> boxes;
  boxes.reserve(machines.size());
  for (const auto& machine : machines) boxes.push_back(boxOf(machine, inner, height, paint));
  std::string out;
  for (std::size_t line = 0; line < boxes.front().lines.size(); ++line) {
    for (std::size_t i = 0; i < boxes.size(); ++i) out += (i == 0 ? " " : "  ") + boxes[i].lines[line];
    out += "\n";
  }
  for (std::size_t i = 0; i < boxes.size(); ++i) {
    const std::size_t leg = (inner + 1) / 2 + 1;
    out += repeat("═", leg + (i == 0 ? 1 : 2)) + "╧" + repeat("═", boxes[i].columns - leg - 1);
  }
  return out + "\n " + paint(Tone::bold, label) + "\n";
}

}  // namespace

std::string picture(const std::vector<MachineView>& nodes, const MachineView* router,
                    const std::vector<std::string>& segments, std::size_t width, const Paint& paint) {
  const std::size_t inner = innerWidth(nodes);
  const std::size_t perRow = std::max<std::size_t>(1, width / (inner + 6));
  std::string out;
  for (std::size_t k = 0; k < segments.size(); ++k) {
    std::vector<MachineView> row;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (static_cast<std::size_t>(nodes[i].segment) == k) row.push_back(nodes[i]);
      const bool last = i + 1 == nodes.size() || static_cast<std::size_t>(nodes[i + 1].segment) > k;
      if (row.size() < perRow && !(last && !row.empty())) continue;
      out += rowOf(row, inner, segments[k], paint);
      row.clear();
      if (last) break;
    }
  }
  if (router == nullptr) return out;
  out += fmt::format(" {}:", paint(Tone::bold, router->name));
  for (const auto& uplink : router->uplinks) out += " " + uplink;
  return out + "\n";
}

}  // namespace twill::lab
