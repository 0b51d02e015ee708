// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>
#include <sstream>

#include <CLI/CLI.hpp>

#include "cli/describe.hpp"

namespace twill::cli {
namespace {

// Text as roff prints it: "\" and "-" have a meaning, and so has "." or "'" at the start of a line.
std::string escaped(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) out += "\\&";
    if (c == '\\' || c == '-') out += '\\';
    out += c == '\\' ? 'e' : c;
  }
  return out;
}

std::string bold(const std::string& text) {
  return "\\fB" + escaped(text) + "\\fR";
}

bool shown(const CLI::App* app) {
  return !app->get_group().empty();
}

std::vector<const CLI::App*> commandsOf(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return shown(command); });
}

// "twill: look at a container network" -> "look at a container network"
std::string summaryOf(const CLI::App& app) {
  const std::string text = app.get_description();
  const std::string name = app.get_name() + ": ";
  return text.rfind(name, 0) == 0 ? text.substr(name.size()) : text;
}

// "--iface TEXT", names in bold
std::string termOf(const CLI::Option& option) {
  const std::string type = option.get_items_expected_max() == 0 ? "" : option.get_type_name();
  std::string term = bold(option.get_name(false, true));
  if (!type.empty()) term += " \\fI" + escaped(type) + "\\fR";
  return term;
}

std::string notesOf(const CLI::Option& option) {
  std::string notes;
  if (!option.get_default_str().empty()) notes += "default " + option.get_default_str();
  if (!option.get_envname().empty()) {
    notes += (notes.empty() ? "" : "; ") + std::string("environment ") + option.get_envname();
  }
  return notes.empty() ? "" : " (" + notes + ")";
}

void writeOptions(std::ostream& out, const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    out << ".TP\n" << termOf(*option) << '\n';
    out << escaped(option->get_description() + notesOf(*option)) << '\n';
  }
}

// "[OPTIONS] [FROM] TO"
std::string argumentsOf(const CLI::App& app) {
  std::string text;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_positional()) continue;
    const std::string name = option->get_name(true);
    text += option->get_required() ? " " + name : " [" + name + "]";
  }
  return (app.get_options().empty() ? "" : " [OPTIONS]") + text + (commandsOf(app).empty() ? "" : " COMMAND");
}

// CLI11 gives a command the footer that its parent had at the time.
bool hasOwnFooter(const CLI::App& app) {
  return app.get_parent() == nullptr || app.get_footer() != app.get_parent()->get_footer();
}

struct Footer {
  std::string text;      // paragraphs before the first heading
  std::string sections;  // "Heading:" blocks, their lines kept as they are
};

Footer footerOf(const CLI::App& app) {
  std::istringstream lines(hasOwnFooter(app) ? app.get_footer() : "");
  Footer footer;
  bool headed = false;
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty() && line.back() == ':' && line.front() != ' ') {
      line.pop_back();
      std::transform(line.begin(), line.end(), line.begin(), [](unsigned char c) { return std::toupper(c); });
      footer.sections += (headed ? ".fi\n.SH " : ".SH ") + line + "\n.nf\n";
      headed = true;
    } else {
      (headed ? footer.sections : footer.text) += escaped(line) + "\n";
    }
  }
  if (headed) footer.sections += ".fi\n";
  return footer;
}

void writeCommands(std::ostream& out, const CLI::App& app, const std::string& program) {
  const auto commands = commandsOf(app);
  std::string title = program + "-";
  std::replace(title.begin(), title.end(), ' ', '-');
  if (!commands.empty()) out << ".SH COMMANDS\n";
  for (const CLI::App* command : commands) {
    const std::string name = command->get_name();
    out << ".SS " << escaped(program) << ' ' << escaped(name) << escaped(argumentsOf(*command)) << '\n';
    out << escaped(command->get_description()) << '\n';
    if (commandsOf(*command).empty()) {
      writeOptions(out, *command);
      if (hasOwnFooter(*command)) out << ".PP\n.nf\n" << escaped(command->get_footer()) << "\n.fi\n";
    } else {
      out << "See " << bold(title + name) << "(1).\n";
    }
  }
}

}  // namespace

std::string manual(const CLI::App& app, int section, const std::vector<std::string>& path) {
  const CLI::App* page = &app;
  std::string program = app.get_name();
  std::string title = program;
  for (const auto& name : path) {
    const auto named =
        page->get_subcommands([&](const CLI::App* command) { return command->get_name() == name; });
    if (named.empty()) return {};
    page = named.front();
    program += " " + name;
    title += "-" + name;
  }
  const Footer footer = footerOf(*page);
  std::ostringstream out;
  out << ".TH " << escaped(title) << ' ' << section << " \"\" \"" << app.version() << "\" Twill\n";
  out << ".SH NAME\n" << escaped(title + " - ") << escaped(summaryOf(*page)) << '\n';
  out << ".SH SYNOPSIS\n" << bold(program) << escaped(argumentsOf(*page)) << '\n';
  if (!footer.text.empty()) out << ".SH DESCRIPTION\n" << footer.text;
  out << ".SH OPTIONS\n";
  writeOptions(out, *page);
  writeCommands(out, *page, program);
  out << footer.sections;
  return out.str();
}

}  // namespace twill::cli
