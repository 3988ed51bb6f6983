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
    target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/include PRIVATE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(${target} PUBLIC ${EAI_LIBRARIES})
endfunction()

# libefficientai (shared, only EAI_API symbols visible) and libefficientai_static (for tests, which
# look inside), both from the layers' objects.
function(eai_add_library)
    get_property(targets GLOBAL PROPERTY EAI_LAYER_TARGETS)
    set(objects "")
    foreach(target IN LISTS targets)
        list(APPEND objects $<TARGET_OBJECTS:${target}>)
    endforeach()
    add_library(efficientai SHARED ${objects})
    add_library(efficientai_static STATIC ${objects})
    set_target_properties(efficientai PROPERTIES VERSION ${PROJECT_VERSION} SOVERSION 0)
    foreach(target efficientai efficientai_static)
        set_target_properties(${target} PROPERTIES LINKER_LANGUAGE C)
        target_include_directories(${target} PUBLIC ${CMAKE_SOURCE_DIR}/include)
        target_link_libraries(${target} PUBLIC ${EAI_LIBRARIES})
    endforeach()
    install(TARGETS efficientai LIBRARY DESTINATION lib)
    install(DIRECTORY ${CMAKE_SOURCE_DIR}/include/efficientai DESTINATION include)
endfunction()

# eai_add_project(NAME SOURCES ...): objects with the descriptor renamed to eai_project_<id> for the
# command, a program of its own, and a plugin that exports eai_project_descriptor. Plugins go to
# BUILD/plugins, not to lib/efficientai/plugins where the command looks by itself: it has these built in.
function(eai_add_project name)
    cmake_parse_arguments(arg "" "" "SOURCES" ${ARGN})
    string(REPLACE "-" "_" id ${name})
    set(main ${CMAKE_SOURCE_DIR}/apps/standalone.c)
    add_library(eai_project_${id} OBJECT ${arg_SOURCES})
    target_compile_definitions(eai_project_${id} PRIVATE EAI_PROJECT_SYMBOL=eai_project_${id})
    add_executable(${name} ${main} ${arg_SOURCES})
    add_library(${name}-plugin MODULE ${arg_SOURCES})
    set_target_properties(${name}-plugin PROPERTIES PREFIX "" OUTPUT_NAME ${name}
        LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/plugins)
    foreach(target eai_project_${id} ${name} ${name}-plugin)
        target_link_libraries(${target} PRIVATE efficientai)
    endforeach()
    install(TARGETS ${name} RUNTIME DESTINATION bin)
    set_property(GLOBAL APPEND PROPERTY EAI_PROJECT_IDS ${id})
endfunction()
