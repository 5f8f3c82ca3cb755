#!/bin/sh
# Plugins from process start to the answer of their first hook: `app cmd APP`
# loads the app, makes a private checkout of the recipe, loads its three
# components, starts the two that have commands and calls their `specs`. On the
# simulated server, so that no engine is timed.
set -eu
. "$(dirname "$0")/lib.sh"
trap 'rm -rf "$work"' EXIT

need_release
"$root/plugins/build.sh"
app=bench.example.org
simulated_wordpress "$app" "$potluck"

cached() { "$potluck" app cmd "$app"; }
cold() { "$potluck" app cmd "$app"; }
# What an `abra.sh` costs at the least: a shell that reads it and calls a function.
printf 'hook() { echo reset-admin-password; }\n' >"$work/abra.sh"
shell() { bash -c ". $work/abra.sh; hook"; }
pair "process start to the answer of the first hook" "potluck app cmd (compiled code cached)" cached "bash sourcing an abra.sh function" shell
before_each() { rm -rf "$POTLUCK_DIR/cache/plugins"; }
pair "the same without the cache" "potluck app cmd (compiling)" cold "bash sourcing an abra.sh function" shell
