#!/bin/sh
# h1_cost.sh PROGRAM: instructions per call of each row of h1_cost.c, by callgrind.
set -eu

program=${1:?}
command -v valgrind >/dev/null || { echo "h1_cost: valgrind not found (Debian package: valgrind)" >&2; exit 1; }

# counted ROW COUNT
counted()
{
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : //p'
}

"$program" | while read -r row bytes; do
    few=$(counted "$row" 100)
    many=$(counted "$row" 1100)
    [ "${many:-0}" -gt "${few:-0}" ] ||
        { echo "h1_cost: callgrind cannot run $program (built with sanitizers?)" >&2; exit 1; }
    printf '%-16s %5d bytes %6d instructions\n' "$row" "$bytes" $(((many - few) / 1000))
done
