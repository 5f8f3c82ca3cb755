if ! about=$(echo "SELECT VERSION(), CONCAT(ROUND(COALESCE(SUM(data_length + index_length), 0) / 1048576), ' MiB') FROM information_schema.tables WHERE table_schema = '$database';" | sql 2>&1); then
  finding failed 'the database answers' "$about"
  exit 0
fi
finding passed 'the database answers' "$about"

tables="SELECT CONCAT('\`', REPLACE(table_name, '\`', '\`\`'), '\`') FROM information_schema.tables WHERE table_schema = '$database' AND table_type = 'BASE TABLE';"
if counts=$({ echo "$tables" | sql --raw | sed 's/.*/SELECT COUNT(*) FROM &;/' | sql "$database"; } 2>&1); then
  finding passed 'tables are readable' "$(printf '%s' "$counts" | awk '{ n += $1 } END { printf "%d tables, %d rows", NR, n }')"
else
  finding failed 'tables are readable' "$counts"
fi

checked=$({ echo "$tables" | sql --raw | sed 's/.*/CHECK TABLE &;/' | sql "$database"; } 2>&1) || true
broken=$(printf '%s\n' "$checked" | awk -F '\t' 'NF && !($3 == "status" && $4 == "OK") && $3 != "note"')
if [ -z "$broken" ]; then
  finding passed 'tables are sound'
else
  finding failed 'tables are sound' "$broken"
fi
