if [ ! -f "$file" ]; then
  finding failed "$file is sound" 'there is no such file'
  exit 0
fi
answer=$(sql "$file" 'PRAGMA integrity_check' 2>&1) || true
if [ "$answer" = ok ]; then
  tables=$(sql "$file" "SELECT count(*) FROM sqlite_master WHERE type = 'table'")
  finding passed "$file is sound" "$tables tables, $(wc -c <"$file") bytes"
else
  finding failed "$file is sound" "$answer"
fi
