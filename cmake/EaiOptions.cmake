# Build options, compiler flags and libraries, in one place.
option(EAI_TESTS "build the tests" ON)
option(EAI_WERROR "treat warnings as errors" OFF)
set(EAI_SANITIZE "" CACHE STRING "sanitizers: empty, 'address,undefined' or 'thread'")
option(EAI_COVERAGE "instrument for line coverage" OFF)
option(EAI_FUZZ "build the targets of tests/fuzz with libFuzzer; needs clang" OFF)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release CACHE STRING "build type" FORCE)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")

# What is installed finds its library beside it.
if(APPLE)
    set(CMAKE_INSTALL_RPATH "@loader_path/../lib")
else()
    set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib")
endif()
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)

# No -march=native and no -ffast-math: kernels are chosen when the program starts, and NaN means NaN.
add_compile_options(-Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla
    -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wdouble-promotion -Wformat=2
    -Wimplicit-fallthrough -Wno-missing-field-initializers -fno-math-errno -fno-trapping-math)
if(NOT APPLE)
    # Calls inside the shared library stay calls inside it, so that they can be inlined.
    add_compile_options(-fno-semantic-interposition)
endif()
if(EAI_WERROR)
    add_compile_options(-Werror)
endif()
if(EAI_SANITIZE)
    add_compile_options(-fsanitize=${EAI_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${EAI_SANITIZE})
endif()
if(EAI_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
if(EAI_COVERAGE)
    add_compile_options(--coverage -O0)
    add_link_options(--coverage)
endif()
add_compile_definitions(_POSIX_C_SOURCE=200809L _XOPEN_SOURCE=700 _DEFAULT_SOURCE _DARWIN_C_SOURCE
    EAI_VERSION="${PROJECT_VERSION}")

find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.85)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
set(EAI_LIBRARIES PkgConfig::JANSSON PkgConfig::PCRE2 PkgConfig::UTF8PROC PkgConfig::CRYPTO
    PkgConfig::CURL PkgConfig::CAIRO Threads::Threads ${CMAKE_DL_LIBS} m)
