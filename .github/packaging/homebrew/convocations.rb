# A formula for a tap: brew tap OWNER/tap, then brew install convocations.
class Convocations < Formula
  desc "Sign in to your AI providers once; every tool gets a token that is always fresh"
  homepage "https://github.com/OWNER/convocations.nvim"
  # `brew bump-formula-pr` adds the sum of a release's sources.
  url "https://github.com/OWNER/convocations.nvim.git", tag: "v0.1.0"
  license all_of: ["MIT", "LGPL-3.0-only"]
  head "https://github.com/OWNER/convocations.nvim.git", branch: "main"

  depends_on "rust" => :build

  def install
    system "cargo", "install", "--bin", "convocations", *std_cargo_args
    system bin/"convocations", "man", "--dir", buildpath/"man"
    man1.install Dir["man/*.1"]
    generate_completions_from_executable(bin/"convocations", "completions")
  end

  test do
    ENV["CONVOCATIONS_DIR"] = testpath.to_s
    assert_match version.to_s, shell_output("#{bin}/convocations --version")
    assert_match "openrouter", shell_output("#{bin}/convocations providers")
    # Nobody is logged in: exit status 3, and nothing on standard output.
    assert_empty shell_output("#{bin}/convocations token openrouter 2>/dev/null", 3)
  end
end
