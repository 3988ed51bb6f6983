# What is installed, and how other programs find it: pkg-config's file, CMake's package, shell completions.
#
# Nothing that is installed names a folder of the machine that built it, so a tree of an installation may be moved.
# docs/install.md is the user's side; tests/install/ proves it. Start at eai_install_files.

# Plugins lie in lib, not in CMAKE_INSTALL_LIBDIR (Debian: lib/x86_64-linux-gnu): the command looks in ../lib from
# its own folder (apps/catalog.c), and there is one command a prefix, whatever its processor.
set(eai_plugin_folder lib/efficientai/plugins)

# The package in the build folder, for find_package(efficientai) with efficientai_DIR=BUILD, and the files that
# are installed from there. The exported targets of the build folder name it, those that are installed do not.
function(eai_describe_package)
    set(requires "")
    foreach(library IN LISTS EAI_LIBRARIES)
        if(library MATCHES "^PkgConfig::(.*)$")
            list(APPEND requires ${${CMAKE_MATCH_1}_MODULE_NAME})
        endif()
    endforeach()
    string(REPLACE ";" ", " requires "${requires}")
    file(RELATIVE_PATH to_prefix ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
    string(REGEX REPLACE "/$" "" to_prefix ${to_prefix})
    file(RELATIVE_PATH libdir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_LIBDIR})
    file(RELATIVE_PATH includedir ${CMAKE_INSTALL_PREFIX} ${CMAKE_INSTALL_FULL_INCLUDEDIR})
    configure_file(cmake/efficientai.pc.in efficientai.pc @ONLY)

    include(CMakePackageConfigHelpers)
    write_basic_package_version_file(${PROJECT_BINARY_DIR}/efficientaiConfigVersion.cmake COMPATIBILITY SameMinorVersion)
    set(project_file ${PROJECT_SOURCE_DIR}/cmake/EfficientaiProject.cmake)
    configure_file(cmake/efficientaiConfig.cmake.in efficientaiConfig.cmake @ONLY)
    set(project_file "\${CMAKE_CURRENT_LIST_DIR}/EfficientaiProject.cmake")
    configure_file(cmake/efficientaiConfig.cmake.in package/efficientaiConfig.cmake @ONLY)
    export(TARGETS efficientai NAMESPACE efficientai:: FILE ${PROJECT_BINARY_DIR}/efficientaiTargets.cmake)
endfunction()

# One file a shell, printed by the command that was built, under the name that the shell looks for.
#     shell  folder under DATADIR                file
set(eai_completions
    "bash   bash-completion/completions         efficientai"
    "zsh    zsh/site-functions                  _efficientai"
    "fish   fish/vendor_completions.d           efficientai.fish")

# What the command prints of itself: completions and manual pages.
function(eai_install_printed)
    if(CMAKE_CROSSCOMPILING OR EAI_SANITIZE OR EAI_FUZZ OR EAI_COVERAGE)
        message(STATUS "no shell completions, no manual pages: they are printed by the command, which this build is not made to run")
        return()
    endif()
    set(made "")
    foreach(row IN LISTS eai_completions)
        separate_arguments(row UNIX_COMMAND "${row}")
        list(GET row 0 shell)
        list(GET row 1 folder)
        list(GET row 2 name)
        set(file ${PROJECT_BINARY_DIR}/completions/${name})
        add_custom_command(OUTPUT ${file} VERBATIM
            COMMAND ${CMAKE_COMMAND} -E make_directory ${PROJECT_BINARY_DIR}/completions
            COMMAND efficientai_command completion ${shell} > ${file}.new
            COMMAND ${CMAKE_COMMAND} -E rename ${file}.new ${file}
            DEPENDS efficientai_command COMMENT "Completion for ${shell}")
        install(FILES ${file} DESTINATION ${CMAKE_INSTALL_DATADIR}/${folder})
        list(APPEND made ${file})
    endforeach()
    set(man_stamp ${PROJECT_BINARY_DIR}/man.stamp)
    add_custom_command(OUTPUT ${man_stamp} VERBATIM
        COMMAND efficientai_command man --output ${PROJECT_BINARY_DIR}/man > ${man_stamp}
        DEPENDS efficientai_command COMMENT "Manual pages")
    install(DIRECTORY ${PROJECT_BINARY_DIR}/man/ DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 FILES_MATCHING PATTERN "*.1")
    add_custom_target(printed ALL DEPENDS ${made} ${man_stamp})
    add_dependencies(installables printed)
endfunction()

function(eai_install_files)
    get_property(programs GLOBAL PROPERTY EAI_PROGRAMS)
    list(APPEND programs efficientai_command)
    # All that an installation needs and no test: `make install` builds this target.
    add_custom_target(installables DEPENDS efficientai ${programs})

    set(package ${CMAKE_INSTALL_LIBDIR}/cmake/efficientai)
    install(TARGETS efficientai EXPORT efficientai LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
    install(TARGETS ${programs} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(DIRECTORY include/efficientai DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
    install(EXPORT efficientai NAMESPACE efficientai:: FILE efficientaiTargets.cmake DESTINATION ${package})
    install(FILES ${PROJECT_BINARY_DIR}/package/efficientaiConfig.cmake
        ${PROJECT_BINARY_DIR}/efficientaiConfigVersion.cmake cmake/EfficientaiProject.cmake apps/standalone.c
        DESTINATION ${package})
    install(FILES ${PROJECT_BINARY_DIR}/efficientai.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
    install(DIRECTORY DESTINATION ${eai_plugin_folder})
    install(DIRECTORY projects/template DESTINATION ${CMAKE_INSTALL_DATADIR}/efficientai) # for `new-project`
    install(FILES README.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
    install(FILES LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)
    if(TARGET efficientai_mlx) # the library looks for it beside itself
        install(TARGETS efficientai_mlx LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
        add_dependencies(installables efficientai_mlx)
    endif()
    eai_install_printed()
endfunction()
