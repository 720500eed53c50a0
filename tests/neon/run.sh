#!/bin/sh
# Compiles the kernels for AArch64 with a cross compiler and checks the NEON ones under qemu. Usage: run.sh SOURCE WORK
set -e
source=$1 work=$2
cc=${AARCH64_CC:-aarch64-linux-gnu-gcc}
flags="-O2 -std=c11 -D_GNU_SOURCE -ffp-contract=off -fno-math-errno -fno-trapping-math -fno-strict-aliasing
    -Wall -Wextra -Wundef -Werror -I$source/src -I$source/include"
mkdir -p "$work"
cd "$work"
rm -f ./*.o ./*.c
names=
for file in "$source"/src/kernels/*/*.c "$source"/src/kernels/kernels.c; do
    base=$(basename "$file" .c)
    case $base in
    *.vec)
        # shellcheck disable=SC2086
        $cc $flags -DHST_VEC_ISA_neon=1 -c "$file" -o "$base.o"
        names="$names $(sed -n 's/^HST_VEC_KERNEL(\([a-z0-9_]*\)).*/\1__neon/p' "$file")"
        ;;
    *.avx2 | *.avx512 | *.avxvnni | *.avx512vnni | *.amx | *.sve) ;;
    *.dotprod | *.i8mm)
        extensions=dotprod
        [ "${base##*.}" = i8mm ] && extensions=dotprod+i8mm
        # shellcheck disable=SC2086
        $cc $flags -march=armv8.2-a+$extensions -c "$file" -o "$base.o"
        names="$names $(sed -n 's/^HST_KERNEL(\([a-z0-9_]*\)).*/\1/p' "$file")"
        ;;
    *)
        # shellcheck disable=SC2086
        $cc $flags -c "$file" -o "$base.o"
        names="$names $(sed -n 's/^HST_KERNEL(\([a-z0-9_]*\)).*/\1/p' "$file")"
        ;;
    esac
done
{
    echo '#include "kernels/kernels.h"'
    for name in $names; do echo "extern const kernel kernel_$name;"; done
    echo 'const kernel *const kernel_list[] = {'
    for name in $names; do echo "    &kernel_$name,"; done
    echo '    0};'
    echo 'const int kernel_list_count = sizeof kernel_list / sizeof *kernel_list - 1;'
} >list.c
for file in list.c "$source"/src/tensor/*.c "$source"/src/base/cpu.c "$source"/src/base/team.c "$source"/src/base/error.c \
    "$source"/src/base/memory.c "$source"/src/base/log.c "$source/tests/neon/check.c"; do
    # shellcheck disable=SC2086
    $cc $flags -I"$source/tests/neon/stub" -I"$source/tests" -I"$source/tests/kernels" -c "$file" \
        -o "own_$(basename "$file" .c).o"
done
$cc -static ./*.o -o check -lm -lpthread
qemu-aarch64 -cpu max ./check
