if ! about=$(sql "$database" 2>&1 <<'SQL'
SELECT format('PostgreSQL %s, %s', split_part(current_setting('server_version'), ' ', 1),
              pg_size_pretty(pg_database_size(current_database())));
SQL
); then
  finding failed 'the database answers' "$about"
  exit 0
fi
finding passed 'the database answers' "$about"

# Every row of every table is read.
if counts=$(sql "$database" 2>&1 <<'SQL'
SELECT format('SELECT count(*) FROM %s', oid::regclass) FROM pg_class
WHERE relkind = 'r' AND relpersistence <> 't'
  AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
\gexec
SQL
); then
  finding passed 'tables are readable' "$(printf '%s' "$counts" | awk '{ n += $1 } END { printf "%d tables, %d rows", NR, n }')"
else
  finding failed 'tables are readable' "$counts"
fi

broken=$(sql "$database" 2>&1 <<'SQL'
SELECT string_agg(indexrelid::regclass::text, ', ') FROM pg_index WHERE NOT indisvalid;
SQL
) || true
if [ -z "$broken" ]; then
  finding passed 'indexes are valid'
else
  finding failed 'indexes are valid' "$broken"
fi
