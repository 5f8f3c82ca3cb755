# A copy of one moment, made within one read transaction so that the app is
# held up no longer than that; it has no name by the time it is read.
[ -f "$file" ] || { echo "there is no file $file" >&2; exit 1; }
copy=$(beside copy)
trap 'rm -f "$copy"' EXIT
sql "$file" "VACUUM INTO '$(quoted "$copy")'"
exec 3<"$copy"
rm -f "$copy"
cat <&3
