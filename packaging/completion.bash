# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Completion for twill and twilld: the programs know themselves what may come next. Installed under both names.

_twill_complete() {
  local words=() word
  # bash makes three words of --name=value; the value completes as after a blank.
  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
    [ "$word" = = ] || words+=("$word")
  done
  word=${COMP_WORDS[COMP_CWORD]}
  mapfile -t COMPREPLY < <("$1" --complete "${words[@]}" "${word#=}" 2>/dev/null)
}

# Where the program knows nothing, a file may be meant.
complete -o default -F _twill_complete twill twilld twill-tunnel
