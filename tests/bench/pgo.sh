#!/bin/sh
# pgo.sh: makes pgo/evenkeel in the build tree, compiled with a profile of the benchmark's load on this machine. The options
# of this build's configure hold for it, too. CC and CFLAGS are this build's; MAKE is the make to use.
set -eu

here=${top_builddir:?}/pgo
build=$here/build
profile=$here/profile
bench=${top_srcdir:?}/tests/bench/run
training=small,browser,10k,100k,tls,tls-onward

say()
{
    echo "pgo: $1" >&2
}

# compiled FLAGS: the program anew, with these flags besides CFLAGS.
compiled()
{
    "$MAKE" -s -C "$build" clean
    "$MAKE" -s -C "$build" CFLAGS="${CFLAGS-} $1" evenkeel
}

# The others have profiles of their own, with other options.
echo | ${CC:?} -E -dM - | grep -Eq '__clang__|__INTEL' && is_gcc=no || is_gcc=yes
[ "$is_gcc" = yes ] || { say "works only with gcc, and this build's compiler is $CC"; exit 1; }
"${PYTHON3:?}" "$bench" --tools --rows $training --candidates evenkeel

rm -rf "$here"
mkdir -p "$here"
# A copy, because sources that were configured in place cannot be configured again elsewhere.
"${MAKE:?}" -s -C "$top_builddir" distdir distdir=pgo/build
eval "set -- $("$top_builddir/config.status" --config)"
(cd "$build" && ./configure "$@" --quiet --srcdir=. CC="$CC" CFLAGS="${CFLAGS-}")

say 'an instrumented build'
compiled "-fprofile-generate=$profile -fprofile-update=atomic"
say 'the load to learn from'
EVENKEEL=$build/evenkeel "$PYTHON3" "$bench" --quick --rows $training --candidates evenkeel --json "$here/training.json" >&2
[ -n "$(find "$profile" -name '*.gcda' | head -n 1)" ] || { say "the run left no profile in $profile"; exit 1; }
say 'the build that uses it'
compiled "-fprofile-use=$profile -fprofile-partial-training -Wno-missing-profile"
cp "$build/evenkeel" "$here/evenkeel"
say "$here/evenkeel is ready; install it with: install -s $here/evenkeel PREFIX/sbin/"
