# listed: names on standard input, one a line, without those that need no backup.
listed() {
  while IFS= read -r name; do
    case " ${POTLUCK_IGNORE:-} " in
    *" $name "*) ;;
    *) printf '%s\n' "$name" ;;
    esac
  done
}
