# Flags for every file of the tree.

add_compile_definitions(_GNU_SOURCE)
include_directories(${CMAKE_SOURCE_DIR})

add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
                    -Wpointer-arith -Werror -fno-strict-aliasing
                    -fmacro-prefix-map=${CMAKE_SOURCE_DIR}/=)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # gcc is the compiler that ships, and the judge of conversions.
    add_compile_options(-Wconversion -Wno-sign-conversion)
else()
    # clang checks the lock annotations of base/thread.h.
    add_compile_options(-Wthread-safety -Wno-unused-command-line-argument)
endif()

if(VARVE_SANITIZE)
    add_compile_options(-fsanitize=${VARVE_SANITIZE} -fno-sanitize-recover=all
                        -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${VARVE_SANITIZE})
endif()

if(VARVE_COVERAGE)
    add_compile_options(--coverage -fprofile-update=atomic)
    add_link_options(--coverage)
endif()

if((VARVE_SANITIZE OR VARVE_COVERAGE) AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
    # Instrumented code confuses gcc's flow analysis.
    add_compile_options(-Wno-maybe-uninitialized)
endif()

if(VARVE_HARDEN)
    add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
                        -fstack-clash-protection -fcf-protection=full
                        -ftrivial-auto-var-init=zero -fno-delete-null-pointer-checks)
    add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack)
    include(CheckPIESupported)
    check_pie_supported()
endif()

if(VARVE_LTO)
    # Objects carry both forms: the products are optimised across files, while the many test
    # programs link the same files as ordinary code, in seconds.
    add_compile_options(-flto=auto -ffat-lto-objects)
    set(VARVE_LINK_TEST -fno-lto)
    set(VARVE_LINK_PRODUCT -flto=auto)
endif()

find_program(CCACHE ccache)
if(CCACHE AND NOT CMAKE_C_COMPILER_LAUNCHER)
    set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE})
endif()
