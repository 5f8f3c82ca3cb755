# A second server loads the snapshot, and the first becomes its replica for a
# moment: it takes over all of it or keeps what it has, with or without an
# append-only file.
port=16379
folder=$(mktemp -d)
second=
tidy() {
  [ -z "$second" ] || kill "$second" 2>/dev/null || true
  [ -z "$second" ] || wait "$second" 2>/dev/null || true
  redis REPLICAOF NO ONE >/dev/null || true
  rm -rf "$folder"
}
fail() { echo "$*; the old data is untouched" >&2; exit 1; }
trap tidy EXIT
cat >"$folder/dump.rdb"
"$server" --bind 127.0.0.1 --port $port --dir "$folder" --dbfilename dump.rdb --save '' \
  --appendonly no --repl-diskless-sync-delay 0 --logfile "$folder/log" >/dev/null 2>&1 &
second=$!
# While it loads, it answers LOADING.
until [ "$(env -u REDISCLI_AUTH "$client" -p $port PING 2>/dev/null)" = PONG ]; do
  kill -0 "$second" 2>/dev/null || fail "the snapshot can't be read: $(tail -n 2 "$folder/log")"
  sleep 0.2
done
keys=$(env -u REDISCLI_AUTH "$client" -p $port DBSIZE)
redis REPLICAOF 127.0.0.1 $port >/dev/null
tries=0
until [ "$(info replication master_link_status)" = up ]; do
  tries=$((tries + 1))
  kill -0 "$second" 2>/dev/null || fail "the second server ended: $(tail -n 2 "$folder/log")"
  # It says so while it works; an hour of nothing is an error.
  [ "$(info replication master_sync_in_progress)" = 0 ] || tries=0
  [ "$tries" -lt 300 ] || fail "the server does not take the snapshot over"
  sleep 0.2
done
redis REPLICAOF NO ONE >/dev/null
redis SAVE >/dev/null
echo "$keys keys" >&2
