#!/bin/sh
# Writes all of Rocket.Chat's data into one file of the volume `dump`, or reads it back.
set -eu

file=/dump/rocketchat.archive
server="mongodb://127.0.0.1:27017/?directConnection=true"

case ${1:-} in
  write)
    # Beside the old one first: what is saved is whole.
    mongodump --quiet --uri="$server" --db=rocketchat --archive="$file.new"
    mv "$file.new" "$file"
    ;;
  clean) rm -f "$file" "$file.new" ;;
  read)
    # Right after the start the server has no say yet.
    tries=0
    until /health.sh; do
      tries=$((tries + 1))
      [ "$tries" -lt 60 ] || { echo "the database takes no writes" >&2; exit 1; }
      sleep 2
    done
    # What is not in the dump would stay beside it.
    mongosh --quiet --norc "mongodb://127.0.0.1:27017/rocketchat?directConnection=true" \
      --eval 'quit(db.dropDatabase().ok ? 0 : 1);'
    mongorestore --quiet --uri="$server" --archive="$file" --nsInclude='rocketchat.*'
    rm -f "$file"
    ;;
  *)
    echo "expected write, clean or read" >&2
    exit 2
    ;;
esac
