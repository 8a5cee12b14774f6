#!/bin/sh
# autogen.sh                        write configure and Makefile.in (what packagers want)
# autogen.sh --demo  [OPTION...]    also install what is missing, build in build/ and start the demo
# autogen.sh --check [OPTION...]    also install what is missing, build in build/ and run every test
# OPTIONs go to configure. Neither needs a terminal.
set -eu

cd "$(dirname "$0")"
PATH=${PATH:-/usr/local/bin:/usr/bin:/bin}:/usr/sbin:/sbin
export PATH

# Debian package, what proves that it is there (command, pkg-config module, python module or file), since which step.
packages='
autoconf         cmd:autoreconf                      demo
automake         cmd:automake                        demo
make             cmd:make                            demo
gcc              cmd:gcc                             demo
libc6-dev        file:/usr/include/stdlib.h          demo
libcrypt-dev     file:/usr/include/crypt.h           demo
pkg-config       cmd:pkg-config                      demo
libevent-dev     pc:libevent_core                    demo
libssl-dev       pc:openssl                          demo
libc-ares-dev    pc:libcares                         demo
libconfig-dev    pc:libconfig                        demo
libnghttp2-dev   pc:libnghttp2                       demo
libhiredis-dev   pc:hiredis                          demo
libpcre2-dev     pc:libpcre2-8                       demo
zlib1g-dev       pc:zlib                             demo
libzstd-dev      pc:libzstd                          demo
curl             cmd:curl                            demo
libcmocka-dev    pc:cmocka                           check
python3          file:/usr/bin/python3               check
python3-h11      py:h11                              check
python3-grpcio   py:grpc                             check
python3-hpack    py:hpack                            check
python3-hyperframe py:hyperframe                     check
gunicorn         cmd:gunicorn                        check
nginx-light      cmd:nginx                           check
haproxy          cmd:haproxy                         check
dnsmasq-base     cmd:dnsmasq                         check
redis-server     cmd:redis-server                    check
wrk              cmd:wrk                             check
nghttp2-client   cmd:h2load                          check
nghttp2-server   cmd:nghttpd                         check
openssl          cmd:openssl                         check
zstd             cmd:zstd                            check
prometheus       cmd:promtool                        check
testssl.sh       cmd:testssl                         check
nodejs           cmd:node                            check
node-ws          file:/usr/share/nodejs/ws/index.js  check
chromium         cmd:chromium                        check
'

die()
{
    echo "autogen.sh: $*" >&2
    exit 1
}

present()
{
    case $1 in
    cmd:*) command -v "${1#cmd:}" ;;
    pc:*) pkg-config --exists "${1#pc:}" ;;
    py:*) /usr/bin/python3 -c "import ${1#py:}" ;;
    file:*) test -e "${1#file:}" ;;
    esac >/dev/null 2>&1
}

# The packages of this step that are not there.
missing()
{
    echo "$packages" | while read -r package proof step; do
        [ -n "$package" ] || continue
        [ "$step" = demo ] || [ "$step" = "$1" ] || continue
        present "$proof" || echo "$package"
    done
}

# Installs packages. No service of theirs starts, now or at the next boot.
install_packages()
{
    command -v apt-get >/dev/null || die "install what these Debian packages hold, then try again: $*"
    if [ "$(id -u)" -eq 0 ]; then
        as_root=
    elif ! command -v sudo >/dev/null; then
        die "as root, run: apt-get install $*"
    elif [ -t 0 ]; then
        as_root=sudo
    else
        as_root='sudo -n'
    fi
    echo "autogen.sh: installing $*"
    $as_root sh -eu -s -- "$@" <<'END_OF_ROOT'
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
    trap 'rm -f $policy' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
fi
DEBIAN_FRONTEND=noninteractive
export DEBIAN_FRONTEND
apt-get -q -q update </dev/null || true
apt-get -q -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confold \
    install -y --no-install-recommends "$@" </dev/null
for package; do
    case $package in
    nginx-light) service=nginx ;;
    haproxy | prometheus) service=$package ;;
    *) continue ;;
    esac
    update-rc.d $service disable
done
END_OF_ROOT
}

# build STEP OPTION...: everything up to and including make, in build/.
build()
{
    step=$1
    shift
    needed=$(missing "$step")
    # shellcheck disable=SC2086  # one word per package
    [ -z "$needed" ] || install_packages $needed
    autoreconf --install
    mkdir -p build
    cd build
    ../configure --quiet "$@"
    flags=${MAKEFLAGS-}
    MAKEFLAGS=${flags:--j$(nproc)}
    export MAKEFLAGS
    make --quiet
}

# Runs the tests; the last line says how many passed and failed, the exit status whether all is well.
check()
{
    rm -f test-suite.log
    status=0
    make --quiet check-programs || die "the tests could not be built"
    MAKEFLAGS=${flags:--j$((2 * $(nproc)))} # most tests wait most of the time
    make --quiet check VERBOSE=1 || status=$?
    [ -f test-suite.log ] || die "the tests could not be started"
    awk -v status=$status '
        /^# (PASS|XFAIL):/ { passed += $3 }
        /^# (FAIL|XPASS|ERROR):/ { failed += $3 }
        /^# SKIP:/ { skipped += $3 }
        END {
            printf "%d passed, %d failed", passed, failed
            if (skipped) printf ", %d skipped", skipped
            printf "\n"
            exit failed ? 1 : status
        }' test-suite.log
}

case ${1-} in
'')
    autoreconf --install
    ;;
--demo)
    shift
    build demo "$@"
    exec ./evenkeel --demo
    ;;
--check)
    shift
    build check "$@"
    check
    ;;
*)
    sed -n '2,5s/^# //p' "$0"
    case $1 in -h | --help) exit 0 ;; *) exit 2 ;; esac
    ;;
esac
