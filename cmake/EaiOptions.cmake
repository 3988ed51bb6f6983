# Build options, compiler flags and libraries, in one place. What is set here ends with this tree: a tree that
# adds the toolkit to its own (add_subdirectory, FetchContent) keeps its flags, and gets neither tests nor
# rules of installation unless it asks for them.
option(EAI_TESTS "build the tests" ${PROJECT_IS_TOP_LEVEL})
option(EAI_INSTALL "rules of installation, shell completions" ${PROJECT_IS_TOP_LEVEL})
option(EAI_WERROR "treat warnings as errors" OFF)
set(EAI_SANITIZE "" CACHE STRING "sanitizers: empty, 'address,undefined' or 'thread'")
option(EAI_COVERAGE "instrument for line coverage" OFF)
option(EAI_MLX "build the plugin of the MLX backend; needs MLX and a C++20 compiler" OFF)
option(EAI_FUZZ "build the targets of tests/fuzz with libFuzzer; needs clang" OFF)

if(EAI_MLX)
    enable_language(CXX)
endif()
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
if(NOT CMAKE_BUILD_TYPE)
    set(CMAKE_BUILD_TYPE Release)
endif()
set(CMAKE_C_FLAGS_RELEASE "-O2 -g")

# What is installed finds its library from where it is itself, so that the tree of an installation can be moved.
include(GNUInstallDirs)
file(RELATIVE_PATH to_lib ${CMAKE_INSTALL_FULL_BINDIR} ${CMAKE_INSTALL_FULL_LIBDIR})
if(APPLE)
    set(CMAKE_INSTALL_RPATH "@loader_path/${to_lib}")
else()
    set(CMAKE_INSTALL_RPATH "$ORIGIN/${to_lib}")
    # Programs name the libraries that they call, not all that the library needs.
    add_link_options(-Wl,--as-needed)
endif()
set(CMAKE_BUILD_RPATH_USE_ORIGIN ON)

# No -march=native and no -ffast-math: kernels are chosen when the program starts, and NaN means NaN.
add_compile_options(-Wall -Wextra -Wshadow -Wvla "$<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes;-Wmissing-prototypes>"
    -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wdouble-promotion -Wformat=2
    -Wimplicit-fallthrough -Wno-missing-field-initializers -fno-math-errno -fno-trapping-math)
if(NOT APPLE)
    # Calls inside the shared library stay calls inside it, so that they can be inlined.
    add_compile_options(-fno-semantic-interposition)
endif()
# __FILE__, which log lines show, begins at the tree: no program names the folder that it was built in.
add_compile_options(-fmacro-prefix-map=${CMAKE_CURRENT_SOURCE_DIR}/=)
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
pkg_check_modules(ARCHIVE REQUIRED IMPORTED_TARGET libarchive>=3.6)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
pkg_check_modules(ZLIB REQUIRED IMPORTED_TARGET zlib)
set(EAI_LIBRARIES PkgConfig::JANSSON PkgConfig::PCRE2 PkgConfig::UTF8PROC PkgConfig::CRYPTO
    PkgConfig::CURL PkgConfig::ARCHIVE PkgConfig::CAIRO PkgConfig::YAML PkgConfig::ZLIB Threads::Threads ${CMAKE_DL_LIBS} m)
if(APPLE) # src/machine/macos.c: the memory that a GPU has in use
    list(APPEND EAI_LIBRARIES "-framework IOKit" "-framework CoreFoundation")
endif()
# What the projects call by themselves, beside the library.
set(EAI_PROJECT_LIBRARIES PkgConfig::JANSSON Threads::Threads m)
