// SPDX-License-Identifier: Apache-2.0
#include "cli/describe.hpp"

#include <CLI/CLI.hpp>
#include <doctest/doctest.h>

using namespace twill::cli;
using Words = std::vector<std::string>;

namespace {

struct Sample {
  CLI::App app{"weave: make cloth", "weave"};
  int threads = 8;
  std::string colour;
  bool clean = false;

  Sample() {
    app.footer("Dye comes later.\n\nExamples:\n  weave loom up\n.hidden line");
    app.add_option("--threads", threads, "how many")->capture_default_str()->envname("WEAVE_THREADS");
    app.add_option("--colour", colour, "of the cloth")->check(CLI::IsMember({"red", "green"}));
    app.add_flag("--secret")->group("");
    CLI::App* cut = app.add_subcommand("cut", "cut a piece");
    cut->add_option("LENGTH", threads, "in metres")->required();
    cut->add_flag("--clean", clean, "and sweep");
    app.add_subcommand("ghost", "not for people")->group("");
    CLI::App* loom = app.add_subcommand("loom", "set the loom up");
    loom->add_subcommand("up", "raise it")->add_option("--height", threads, "in metres");
  }
};

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a page has the name, each option with default and environment, and the footer's sections") {
  const Sample sample;
  const std::string page = manual(sample.app, 1, {});
  CHECK(contains(page, ".TH weave 1 "));
  CHECK(contains(page, "weave \\- make cloth\n"));
  CHECK(
      contains(page, "\\fB\\-\\-threads\\fR \\fIINT\\fR\nhow many (default 8; environment WEAVE_THREADS)\n"));
  CHECK(contains(page, ".SH EXAMPLES\n.nf\n  weave loom up\n"));
  CHECK(contains(page, ".SH DESCRIPTION\nDye comes later.\n"));
  CHECK(contains(page, ".SS weave cut [OPTIONS] LENGTH\ncut a piece\n"));
}

TEST_CASE("the footer stands once, not under each command that inherited it") {
  const Sample sample;
  const std::string page = manual(sample.app, 1, {});
  CHECK(page.find("weave loom up\n") == page.rfind("weave loom up\n"));
  CHECK_FALSE(contains(manual(sample.app, 1, {"loom"}), "Dye comes later"));
}

TEST_CASE("a line of text cannot become a roff request") {
  const Sample sample;
  CHECK(contains(manual(sample.app, 1, {}), "\n\\&.hidden line"));
}

TEST_CASE("what is hidden from help is hidden from page and completion") {
  const Sample sample;
  CHECK_FALSE(contains(manual(sample.app, 1, {}), "secret"));
  CHECK_FALSE(contains(manual(sample.app, 1, {}), "ghost"));
  CHECK(completions(sample.app, {"--se"}).empty());
  CHECK(completions(sample.app, {"gh"}).empty());
}

TEST_CASE("a command with commands of its own has its own page") {
  const Sample sample;
  const std::string program = manual(sample.app, 1, {});
  CHECK(contains(program, "See \\fBweave\\-loom\\fR(1)."));
  CHECK_FALSE(contains(program, "height"));
  const std::string page = manual(sample.app, 1, {"loom"});
  CHECK(contains(page, "weave\\-loom \\- set the loom up\n"));
  CHECK(contains(page, ".SS weave loom up [OPTIONS]\nraise it\n"));
  CHECK(contains(page, "\\-\\-height"));
  CHECK(manual(sample.app, 1, {"shuttle"}).empty());
}

TEST_CASE("a group in a group is referred to by its whole name") {
  Sample sample;
  CLI::App* warp = sample.app.get_subcommand("loom")->add_subcommand("warp", "its threads");
  warp->add_subcommand("wind", "onto the beam");
  CHECK(contains(manual(sample.app, 1, {"loom"}), "See \\fBweave\\-loom\\-warp\\fR(1)."));
  CHECK(contains(manual(sample.app, 1, {"loom", "warp"}), "weave\\-loom\\-warp \\- its threads\n"));
}

TEST_CASE("completion offers commands and options of where one stands") {
  const Sample sample;
  CHECK(completions(sample.app, {""}) == Words{"cut", "loom", "--help", "--threads", "--colour"});
  CHECK(completions(sample.app, {"--threads", "3", "c"}) == Words{"cut"});
  CHECK(completions(sample.app, {"loom", ""}) == Words{"up", "--help"});
  CHECK(completions(sample.app, {"loom", "up", "--he"}) == Words{"--help", "--height"});
}

TEST_CASE("completion offers the values of an option that has a fixed set, and nothing for a free one") {
  const Sample sample;
  CHECK(completions(sample.app, {"--colour", ""}) == Words{"red", "green"});
  CHECK(completions(sample.app, {"--colour", "g"}) == Words{"green"});
  CHECK(completions(sample.app, {"--threads", ""}).empty());
}

TEST_CASE("after -- the words are somebody else's") {
  const Sample sample;
  CHECK(completions(sample.app, {"loom", "--", ""}).empty());
}
