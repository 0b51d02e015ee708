// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace CLI {
class App;
}

namespace twill::cli {

/// The man page of a program in roff, made from the declaration of its command line, so that the two cannot
/// disagree. A command that has commands of its own gets a page of its own ("twill-lab"), which `path` names
/// ({"lab"}); the program's page only refers to it. Blocks of the footer that start with "Heading:" become
/// sections. Empty when `path` names no command.
[[nodiscard]] std::string manual(const CLI::App& app, int section, const std::vector<std::string>& path);

/// What may follow on a command line: commands, options, or the values of an option that has a fixed set.
/// `words` is what was typed after the program's name; the last one, maybe empty, is still being typed.
[[nodiscard]] std::vector<std::string> completions(const CLI::App& app,
                                                   const std::vector<std::string>& words);

/// Answers what a package build and a shell ask, on stdout: "--manual SECTION [COMMAND...]" with a page,
/// "--complete WORD..." with one candidate a line. False when neither was asked and the program should run.
[[nodiscard]] bool describeSelf(const CLI::App& app, int argc, const char* const* argv);

}  // namespace twill::cli
