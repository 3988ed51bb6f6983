# The plugin, built where EAI_MLX asks for it: against the MLX that MLX_ROOT or CMAKE_PREFIX_PATH leads to (`python -m
# mlx --cmake-dir`, or Homebrew's). Compiled as C++20, MLX's headers need it.
if(EAI_MLX)
    find_package(MLX CONFIG REQUIRED)
    add_library(efficientai_mlx MODULE ${dir}/shim.cpp)
    set_target_properties(efficientai_mlx PROPERTIES CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON CXX_EXTENSIONS OFF
        CXX_VISIBILITY_PRESET hidden INSTALL_RPATH_USE_LINK_PATH ON)
    if(APPLE)
        set_target_properties(efficientai_mlx PROPERTIES SUFFIX .dylib)
    else()
        # MLX's wheel brings the reference BLAS, 20 to 50 times slower: the first library with the names wins.
        find_library(EAI_OPENBLAS openblas REQUIRED)
        target_link_libraries(efficientai_mlx PRIVATE -Wl,--no-as-needed ${EAI_OPENBLAS} -Wl,--as-needed)
    endif()
    target_include_directories(efficientai_mlx PRIVATE ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/src)
    target_link_libraries(efficientai_mlx PRIVATE mlx)
endif()
