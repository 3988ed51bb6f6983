# The three kinds of targets: a layer (an object library), the library, a project, a test.

# eai_add_layer(PATH): the sources directly in src/PATH become one object library. A layer with special
# needs (one object library an instruction set) adds them in its own layer.cmake, included here with
# `layer_target` set.
function(eai_add_layer path)
    string(REPLACE "/" "_" id ${path})
    set(layer_target eai_${id})
    set(dir ${CMAKE_CURRENT_SOURCE_DIR}/src/${path})
    file(GLOB sources CONFIGURE_DEPENDS ${dir}/*.c)
    list(FILTER sources EXCLUDE REGEX "\\.inc\\.c$")
    add_library(${layer_target} OBJECT ${sources})
    eai_use_headers(${layer_target})
    set_property(GLOBAL APPEND PROPERTY EAI_LAYER_TARGETS ${layer_target})
    if(EXISTS ${dir}/layer.cmake)
        include(${dir}/layer.cmake)
    endif()
endfunction()

function(eai_use_headers target)
    target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/include PRIVATE ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(${target} PUBLIC ${EAI_LIBRARIES})
endfunction()

# libefficientai (shared, only EAI_API symbols visible) and libefficientai_static (for tests, which
# look inside), both from the layers' objects. No public header includes one of a library's that is used
# inside, so those stay the shared library's own matter.
function(eai_add_library)
    get_property(targets GLOBAL PROPERTY EAI_LAYER_TARGETS)
    set(objects "")
    foreach(target IN LISTS targets)
        list(APPEND objects $<TARGET_OBJECTS:${target}>)
    endforeach()
    add_library(efficientai SHARED ${objects})
    add_library(efficientai::efficientai ALIAS efficientai)
    add_library(efficientai_static STATIC EXCLUDE_FROM_ALL ${objects})
    set_target_properties(efficientai PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0 INSTALL_RPATH "")
    foreach(target efficientai efficientai_static)
        set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
        target_include_directories(${target} PUBLIC
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
    endforeach()
    target_link_libraries(efficientai PRIVATE ${EAI_LIBRARIES})
    target_link_libraries(efficientai_static PUBLIC ${EAI_LIBRARIES})
endfunction()

# eai_add_project(NAME SOURCES ... [TESTS FOLDER]): objects with the descriptor renamed to eai_project_<id> for the
# command, a program of its own, and a plugin that exports eai_project_descriptor. Plugins go to
# BUILD/plugins, not to lib/efficientai/plugins where the command looks by itself: it has these built in.
# A project outside this tree has efficientai_add_project instead, of which this is made; that one also says what
# the tests are.
include(${CMAKE_CURRENT_LIST_DIR}/EfficientaiProject.cmake)
function(eai_add_project name)
    cmake_parse_arguments(arg "" "TESTS" "SOURCES" ${ARGN})
    string(REPLACE "-" "_" id ${name})
    efficientai_add_project_targets(${name} ${arg_SOURCES})
    if(EAI_TESTS AND arg_TESTS)
        efficientai_add_project_tests(${name} ${arg_TESTS})
    endif()
    add_library(eai_project_${id} OBJECT ${arg_SOURCES})
    target_compile_definitions(eai_project_${id} PRIVATE EAI_PROJECT_SYMBOL=eai_project_${id})
    foreach(target eai_project_${id} ${name} ${name}-plugin)
        target_link_libraries(${target} PRIVATE efficientai ${EAI_PROJECT_LIBRARIES})
    endforeach()
    set_property(GLOBAL APPEND PROPERTY EAI_PROJECT_IDS ${id})
    set_property(GLOBAL APPEND PROPERTY EAI_PROGRAMS ${name})
endfunction()
