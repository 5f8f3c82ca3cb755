# Everyone may change the password of the own account; printf is built in.
IFS= read -r new
[ "$user" != root ] || { echo "the service sets no MARIADB_USER whose password could be changed" >&2; exit 1; }
case $(echo 'SELECT VERSION();' | sql) in
*[Mm]aria[Dd][Bb]*) printf "SET PASSWORD = PASSWORD('%s');\n" "$new" | sql ;;
*) printf "SET PASSWORD = '%s';\n" "$new" | sql ;;
esac
