rockspec_format = "3.0"
package = "convocations.nvim"
version = "scm-1"
source = {
  url = "git+https://github.com/OWNER/convocations.nvim.git",
}
description = {
  summary = "Sign in to your AI providers once, and every AI plugin in Neovim gets a token that is always fresh",
  homepage = "https://github.com/OWNER/convocations.nvim",
  license = "MIT",
  labels = { "neovim" },
}
dependencies = {
  "lua == 5.1",
}
build = {
  type = "builtin",
  -- Beside the modules, which are found in lua/.
  install = {
    lua = {
      ["conv.no_login"] = "lua/conv/no_login.json",
    },
  },
  copy_directories = { "doc", "plugin" },
}
