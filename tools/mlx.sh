#!/bin/sh
# Builds the plugin of the MLX backend, build/lib/libefficientai_mlx: tools/mlx.sh [EAI_WERROR]. For `make mlx`.
#
# Against the MLX that MLX_ROOT names (a folder with MLXConfig.cmake: `python -m mlx --cmake-dir` prints it, Homebrew has
# $(brew --prefix mlx)/share/cmake/MLX), else against the one that pip brings into .venv-mlx. The plugin works with just
# that version.
set -eu
cd "$(dirname "$0")/.."
if [ -z "${MLX_ROOT:-}" ]; then
    # shellcheck disable=SC2016 # the variable is set by peers.sh
    MLX_ROOT=$(sh tools/peers.sh --mlx sh -c '"$EFFICIENTAI_PEERS_PYTHON" -m mlx --cmake-dir')
    [ -n "$MLX_ROOT" ] || exit 0 # no network, which was said
fi
cmake --preset release -DEAI_WERROR="${1:-OFF}" -DEAI_MLX=ON -DMLX_ROOT="$MLX_ROOT" >build-configure.log 2>&1 || {
    cat build-configure.log
    exit 1
}
mv build-configure.log build/configure.log
cmake --build build --target efficientai_mlx
