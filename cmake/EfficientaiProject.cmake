# Projects outside the toolkit's tree: find_package(efficientai) includes this file, and so does the toolkit.
#
# efficientai_add_project(NAME SOURCES ... [TESTS FOLDER]): from sources with one EAI_DEFINE_PROJECT the program
# bin/NAME and the plugin plugins/NAME.so in the build folder. Installed under the prefix of the toolkit,
# bin/efficientai finds the plugin in lib/efficientai/plugins by itself; elsewhere --plugin-path or
# EFFICIENTAI_PLUGIN_PATH leads to it. The plugin needs no path to the library, which the program that opens it has
# loaded. Needs C among the languages. Each FOLDER/NAME.sh is a test, which gets the program's path.
function(efficientai_add_project name)
    cmake_parse_arguments(arg "" "TESTS" "SOURCES" ${ARGN})
    if(NOT arg_SOURCES)
        message(FATAL_ERROR "efficientai_add_project(${name}): no SOURCES")
    endif()
    efficientai_add_project_targets(${name} ${arg_SOURCES})
    if(arg_TESTS)
        efficientai_add_project_tests(${name} ${arg_TESTS})
    endif()
    set_target_properties(${name} PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
    include(GNUInstallDirs)
    install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    install(TARGETS ${name}-plugin LIBRARY DESTINATION lib/efficientai/plugins)
endfunction()

# The two targets, without rules of installation. The program's main() lies beside this file where it is
# installed, and in apps/ in the toolkit's tree.
function(efficientai_add_project_targets name)
    set(main ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/standalone.c)
    if(NOT EXISTS ${main})
        set(main ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/../apps/standalone.c)
    endif()
    add_executable(${name} ${main} ${ARGN})
    add_library(${name}-plugin MODULE ${ARGN})
    set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
    set_target_properties(${name}-plugin PROPERTIES PREFIX "" OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/plugins
        C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden)
    foreach(target ${name} ${name}-plugin)
        target_link_libraries(${target} PRIVATE efficientai::efficientai)
    endforeach()
endfunction()

# projects.NAME.SCRIPT for ctest, in a folder of its own. The label NAME is what `efficientai test NAME` runs.
function(efficientai_add_project_tests name folder)
    file(GLOB scripts CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${folder}/*.sh)
    foreach(script IN LISTS scripts)
        get_filename_component(stem ${script} NAME_WE)
        set(scratch ${CMAKE_CURRENT_BINARY_DIR}/${folder}/${stem})
        file(MAKE_DIRECTORY ${scratch})
        add_test(NAME projects.${name}.${stem} COMMAND sh ${script} $<TARGET_FILE:${name}> WORKING_DIRECTORY ${scratch})
        set_tests_properties(projects.${name}.${stem} PROPERTIES LABELS "projects;${name}" SKIP_RETURN_CODE 77 TIMEOUT 600)
    endforeach()
endfunction()
