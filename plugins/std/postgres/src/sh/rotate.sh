# The statement is kept out of the server's log and statistics, also when it
# fails. printf is built in: the password becomes no argument.
IFS= read -r password
printf '%s\n' "SET log_statement = 'none'; SET log_min_duration_statement = -1;" \
  "SET log_min_error_statement = 'panic'; SET pg_stat_statements.track_utility = off;" \
  "ALTER ROLE CURRENT_USER PASSWORD '$password';" | sql template1
