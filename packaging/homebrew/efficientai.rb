# Homebrew's formula. `make dist` writes one for the tarball that it makes, build/dist/efficientai.rb, with its
# checksum: brew install --build-from-source build/dist/efficientai.rb
class Efficientai < Formula
  desc "Adapts, judges and runs small language models"
  homepage "https://example.invalid/efficientai"
  url "https://example.invalid/efficientai/efficientai-0.1.0.tar.gz"
  sha256 "0000000000000000000000000000000000000000000000000000000000000000"

  depends_on "cmake" => :build
  depends_on "pkg-config" => :build
  depends_on "cairo"
  depends_on "curl"
  depends_on "jansson"
  depends_on "libarchive"
  depends_on "libyaml"
  depends_on "openssl@3"
  depends_on "pcre2"
  depends_on "utf8proc"
  depends_on "zlib"

  def install
    system "cmake", "-S", ".", "-B", "build", "-DEAI_TESTS=OFF", *std_cmake_args
    system "cmake", "--build", "build"
    system "cmake", "--install", "build"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/efficientai --version")
    assert_match "backend", shell_output("#{bin}/efficientai info")
    assert_match "lora-finetuning-mlx", shell_output("#{bin}/efficientai complete lora")
  end
end
