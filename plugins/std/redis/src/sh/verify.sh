if ! answer=$(redis PING 2>&1) || [ "$answer" != PONG ]; then
  finding failed 'the server answers' "$answer"
  exit 0
fi
finding passed 'the server answers' "$(info server redis_version), $(redis DBSIZE) keys, $(info memory used_memory_human)"
saved=$(info persistence rdb_last_bgsave_status)
appended=$(info persistence aof_last_write_status)
if [ "$saved $appended" = 'ok ok' ]; then
  finding passed 'data is kept on disk'
else
  finding failed 'data is kept on disk' "snapshot: $saved, append-only file: $appended"
fi
