# finding passed|failed NAME [DETAIL]: one line for the plugin.
finding() {
  detail=$(printf '%s' "${3:-}" | tr '\n\t' '  ' | cut -c 1-500)
  printf '%s\t%s\t%s\n' "$1" "$2" "$detail"
}
