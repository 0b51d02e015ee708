# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Named steps with their times, and ctest with a list of what was skipped. For ./dev.

steps=()    # "verdict seconds name" of each step that ran
failed=0    # how many of them failed
last_ctest= # folder of the last ctest run, whose summary closes the output

# step NAME COMMAND...: runs it, and remembers the verdict.
step() {
  local name=$1 start=$SECONDS verdict=ok
  shift
  printf '\n==> %s\n' "$name"
  # A subshell with its own -e: a function that is tested for failure would otherwise go on after one.
  set +e
  (set -e; "$@")
  local status=$?
  set -e
  [ "$status" -eq 0 ] || { verdict=FAILED; failed=$((failed + 1)); }
  steps+=("$(printf '%-6s %4d s  %s' "$verdict" $((SECONDS - start)) "$name")")
}

# must NAME COMMAND...: a step without which the following ones make no sense.
must() {
  local before=$failed
  step "$@"
  [ "$failed" -eq "$before" ] || finish
}

# run_ctest PRESET ARGS...: the result line of each test, and in full what failed. What starts virtual machines has to be
# asked for by its label. Most of a system test's time is waiting: it uses an eighth of a processor,
# hence two for each.
run_ctest() {
  local folder=build/$1
  shift
  [[ " $* " == *" vm "* ]] || set -- -LE vm "$@"
  ctest --test-dir "$folder" -j $((2 * $(nproc))) --output-on-failure "$@" 2>&1 | tee "$folder/ctest.log" |
    grep --line-buffered -v '^ *Start '
}

# Which tests of a folder's last run were skipped, and why (test/skip.hpp).
skipped_tests() {
  awk '/^[0-9]+\/[0-9]+ Testing: / { sub(/^[^:]*: /, ""); name = $0 }
       /^SKIPPED: / { sub(/^SKIPPED: /, ""); print "  " name ": " $0 }' "$1/Testing/Temporary/LastTest.log"
}

# The end of what each failed test of a folder's last run said: the whole is far above, or cut off by who shows it.
failed_tests() {
  awk '/^[0-9]+\/[0-9]+ Testing: / { sub(/^[^:]*: /, ""); name = $0; lines = 0; next }
       { said[lines++] = $0 }
       /^Test Failed\.$/ {
         print name ":"
         for (i = (lines > 40 ? lines - 40 : 0); i < lines; ++i) if (said[i] !~ /^-+$/) print "  " said[i]
       }' "$1/Testing/Temporary/LastTest.log"
}

# The verdicts, then the summary of the last ctest; ends the script.
finish() {
  local folder skipped faults
  for folder in build/asan build/tsan build/dev; do
    if [ "$folder/ctest.log" -nt build/started ]; then
      last_ctest=$folder
      skipped=$(skipped_tests "$folder")
      [ -z "$skipped" ] || printf '\nskipped in %s:\n%s\n' "$folder" "$skipped"
      faults=$(failed_tests "$folder")
      [ -z "$faults" ] || printf '\nfailed in %s:\n%s\n' "$folder" "$faults"
    fi
  done
  printf '\nsteps:\n'
  printf '  %s\n' "${steps[@]}"
  [ -z "$last_ctest" ] || { echo; sed -n '/% tests passed/,$p' "$last_ctest/ctest.log"; }
  [ "$failed" -eq 0 ] || echo "$failed of ${#steps[@]} steps FAILED"
  exit $((failed > 0))
}
