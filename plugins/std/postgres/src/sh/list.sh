# Of the databases that come with a server, only one that the app uses counts. Not in a
# pipe, which would hide a failure.
names=$(sql template1 -v new=potluck_restore -v old=potluck_before <<'SQL'
SELECT datname FROM pg_database
WHERE NOT datistemplate AND datallowconn AND datname NOT IN (:'new', :'old')
  AND (datname <> 'postgres' OR :'database' = 'postgres');
SQL
)
printf '%s\n' "$names" | listed
