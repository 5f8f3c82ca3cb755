try_root
dump "$database"
