# shellcheck shell=sh disable=SC2034
# Shared by tools/demo and tools/test: installs what is missing, says what it does.

say() { printf '== %s\n' "$*"; }

# The Debian packages that the arguments name and that are not installed.
missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' || printf ' %s' "$package"
    done
}

install_packages() {
    missing=$(missing_packages "$@")
    [ -n "$missing" ] || return 0
    say "installing:$missing"
    as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    $as_root apt-get update -qq
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

packages_build="gcc libc6-dev cmake ninja-build pkg-config libjansson-dev libutf8proc-dev libpcre2-dev zlib1g-dev"
packages_test="libcmocka-dev libminizip-dev libsimde-dev python3"
packages_fuzz="clang libclang-rt-dev"
packages_full="$packages_fuzz python3-numpy valgrind gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"

# configure PRESET [-DNAME=VALUE…]; build PRESET [TARGET…]. Quiet, but for what went wrong. A compiler that we have not
# seen may warn of something new: warnings are errors only where HASTEN_WERROR=ON asks for it.
configure() {
    preset=$1
    shift
    mkdir -p build
    cmake --preset "$preset" -DHASTEN_WERROR="${HASTEN_WERROR:-OFF}" "$@" >"build/$preset.log" 2>&1 || { cat "build/$preset.log"; return 1; }
}

build() {
    preset=$1
    shift
    say "building ($preset)"
    if [ $# -gt 0 ]; then set -- --target "$@"; fi
    cmake --build "build/$preset" "$@" >"build/$preset.log" 2>&1 || {
        grep -E 'error|FAILED|undefined' "build/$preset.log" | head -40
        return 1
    }
}
