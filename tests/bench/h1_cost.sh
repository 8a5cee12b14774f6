#!/bin/sh
# h1_cost.sh PROGRAM: instructions per call of each row of h1_cost.c, by callgrind.
set -eu

# counted ROW COUNT
counted()
{
    valgrind --tool=callgrind --callgrind-out-file=/dev/null "$program" "$1" "$2" 2>&1 |
        sed -n 's/.*Collected : //p'
}

program=${1:?}
"$program" | while read -r row bytes; do
    printf '%-16s %5d bytes %6d instructions\n' "$row" "$bytes" $((($(counted "$row" 1100) - $(counted "$row" 100)) / 1000))
done
