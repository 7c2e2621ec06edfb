-- `:checkhealth conv` about companion plugins: installed, wired, logged in, and what to do.

local hosts = require("hosts")

local function report(nvim)
  nvim:cmd("checkhealth conv")
  local text = nvim:lua("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')")
  nvim:cmd("bwipeout!")
  return text:match("conv: companion plugins.-\n=?=?=?.-conv: browser")
end

return function(case)
  case("every integration is found by its file, with all that the report needs", function(t)
    local nvim = t:editor({ options = { binary = "/nonexistent" } })
    local listed = nvim:lua([[
      return vim.tbl_map(function(host)
        return { id = host.id, name = host.info.name, module = host.info.module, marker = host.info.marker }
      end, require("conv.hosts").list())
    ]])
    local files = vim.fn.readdir(t.root .. "/lua/conv/integrations")
    t:eq(#listed, #files)
    local help = table.concat(vim.fn.readfile(t.root .. "/doc/conv.txt"), "\n")
    local readme = table.concat(vim.fn.readfile(t.root .. "/README.md"), "\n")
    for _, host in ipairs(listed) do
      t:ok(host.name and host.module and host.marker, vim.inspect(host))
      t:ok(vim.list_contains(files, host.id .. ".lua"), host.id)
      t:ok(help:find("*conv-" .. host.id .. "*", 1, true) ~= nil, "no help for " .. host.id)
      t:ok(readme:find("`:h conv-" .. host.id .. "`", 1, true) ~= nil, "not in README: " .. host.id)
    end
  end)

  case("installed and not wired, wired and logged out, wired and logged in", function(t)
    local _, nvim = hosts.editor(t, "codecompanion")
    local text = report(nvim)
    t:match(text, "codecompanion.nvim is not loaded yet")
    t:match(text, "Not installed:.*avante.nvim")
    nvim:lua('require("codecompanion")')
    t:match(report(nvim), "codecompanion.nvim is not wired: see .*conv%-codecompanion")
    nvim:lua('require("conv.integrations.codecompanion").adapter("openrouter")')
    text = report(nvim)
    t:match(text, "WARNING.*codecompanion.nvim is wired to `openrouter`, which has no login")
    t:match(text, ":ConvLogin openrouter")
    hosts.log_in(t, nvim, "openrouter")
    t:match(report(nvim), "OK.*codecompanion.nvim is wired to `openrouter`\n")
  end)

  case("a plugin that its manager has not loaded yet is found", function(t)
    local nvim = t:editor({ options = { binary = "/nonexistent" } })
    nvim:lua(
      [[
      package.loaded["lazy.core.config"] = { plugins = { ["avante.nvim"] = { dir = ... } } }
    ]],
      t.root .. "/tests/nvim/hosts/avante"
    )
    t:match(report(nvim), "avante.nvim is not loaded yet")
    local site = t.dir .. "/data/nvim/site/pack/mine/opt"
    vim.fn.mkdir(site, "p")
    vim.uv.fs_symlink(t.root .. "/tests/nvim/hosts/codecompanion", site .. "/codecompanion.nvim")
    t:match(report(nvim), "codecompanion.nvim is not loaded yet")
  end)

  case("avante with a key name of its own is told", function(t)
    local sandbox, nvim = hosts.editor(t, "avante")
    nvim:lua(
      [[
      local avante = require("conv.integrations.avante")
      local opts = { endpoint = ..., api_key_name = "OPENROUTER_API_KEY" }
      require("avante").setup({ provider = "mine", providers = { mine = avante.provider("openrouter", opts) } })
    ]],
      sandbox.url
    )
    t:match(report(nvim), "asks for a key of its own for the provider `mine`")
  end)
end
