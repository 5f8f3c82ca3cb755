# Into a database beside the old one, in one transaction; the two change places
# when all of it is there. From template1, as the database may be `postgres`.
new=potluck_restore
old=potluck_before
drop() { sql template1 -v name="$1" <<'SQL'
DROP DATABASE IF EXISTS :"name";
SQL
}
exists() { [ "$(sql template1 <<'SQL'
SELECT count(*) FROM pg_database WHERE datname = :'database';
SQL
)" = 1 ]; }

drop "$new"
trap 'drop "$new" >/dev/null 2>&1 || true' EXIT
if exists; then
  # The columns for other kinds of locale came with PostgreSQL 15 and 17.
  sql template1 -v new="$new" <<'SQL'
SELECT format('CREATE DATABASE %I TEMPLATE template0 OWNER %I ENCODING %L LC_COLLATE %L LC_CTYPE %L',
              :'new', pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datcollate, datctype)
    || CASE to_jsonb(d) ->> 'datlocprovider'
       WHEN 'i' THEN format(' LOCALE_PROVIDER icu ICU_LOCALE %L',
                            coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'))
       WHEN 'b' THEN format(' LOCALE_PROVIDER builtin BUILTIN_LOCALE %L', to_jsonb(d) ->> 'datlocale')
       ELSE '' END
FROM pg_database AS d WHERE datname = :'database'
\gexec
SQL
else
  sql template1 -v new="$new" <<'SQL'
CREATE DATABASE :"new" TEMPLATE template0;
SQL
fi

pg_restore -U "$user" -d "$new" --single-transaction --exit-on-error
sql "$new" -c ANALYZE

drop "$old"
swap() {
  if exists; then
    sql template1 -v new="$new" -v old="$old" >/dev/null <<'SQL'
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE datname IN (:'database', :'new') AND pid <> pg_backend_pid();
BEGIN;
ALTER DATABASE :"database" RENAME TO :"old";
ALTER DATABASE :"new" RENAME TO :"database";
COMMIT;
SQL
  else
    sql template1 -v new="$new" <<'SQL'
ALTER DATABASE :"new" RENAME TO :"database";
SQL
  fi
}
# Whoever was cut off may be back before the names have changed.
tries=0
until swap; do
  tries=$((tries + 1))
  [ "$tries" -lt 10 ] || { echo "the database is in use; the old data is untouched" >&2; exit 1; }
  sleep 1
done
drop "$old"
