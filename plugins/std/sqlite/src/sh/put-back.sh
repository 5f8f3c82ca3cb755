new=$(beside new)
trap 'rm -f "$new" "$new-journal"' EXIT
cat >"$new"
answer=$(sql "$new" 'PRAGMA integrity_check' 2>&1) || true
if [ "$answer" != ok ] || [ ! -s "$new" ]; then
  echo "the copy is not sound, $file is untouched: $answer" >&2
  exit 1
fi
if [ -f "$file" ]; then
  tries=0
  until restore "$file" "$new"; do
    tries=$((tries + 1))
    [ "$tries" -lt 20 ] || exit 1
    sleep 1
  done
else
  chown "$(stat -c %u:%g "$(dirname "$file")")" "$new"
  mv "$new" "$file"
fi
