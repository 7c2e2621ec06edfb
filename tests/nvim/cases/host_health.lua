-- `:checkhealth conv` about companion plugins: installed, wired, logged in, and what to do.

local hosts = require("hosts")

local function report(nvim)
  nvim:cmd("checkhealth conv")
  local text = nvim:lua("return table.concat(vim.api.nvim_buf_get_lines(0, 0, -1, false), '\\n')")
  nvim:cmd("bwipeout!")
  return text:match("conv: companion plugins.-\n=?=?=?.-conv: browser")
end

---The Lua blocks of the help, each with the tag that it stands under.
local function examples(root)
  local blocks, tag, block = {}, nil, nil
  for line in io.lines(root .. "/doc/conv.txt") do
    if block then
      if line:find("^%S") then
        table.insert(blocks, { tag = tag, code = table.concat(block, "\n") })
        block = nil
      else
        table.insert(block, line)
      end
    else
      tag = line:match("%*conv%-([%w_]+)%*$") or tag
      block = line:find(">lua$") and {} or nil
    end
  end
  return blocks
end

return function(case)
  case("the examples of the help call what there is", function(t)
    local nvim = t:editor({ options = { binary = "/nonexistent" } })
    local ran = 0
    for _, example in ipairs(examples(t.root)) do
      if vim.uv.fs_stat(t.root .. "/lua/conv/integrations/" .. example.tag .. ".lua") then
        ran = ran + 1
        local problem = nvim:lua(
          [[
          local tag, code = ...
          -- A host takes everything and answers with more of the same.
          local anything
          anything = setmetatable({}, {
            __index = function() return anything end,
            __call = function() return anything end,
          })
          local run = loadstring(code) or assert(loadstring("return {" .. code .. "}"))
          local ours = require("conv.integrations." .. tag)
          setfenv(run, setmetatable({
            convocations = ours,
            require = function(name)
              return name:find("^conv%.") and require(name) or anything
            end,
          }, { __index = _G }))
          package.preload["gp.vault"] = function() return {} end
          package.preload["llm.language_server"] = function() return {} end
          package.preload["chatgpt.api"] = function() return {} end
          package.preload["flemma.secrets"] = function() return { register = function() end } end
          local ok, problem = pcall(run)
          return not ok and problem or nil
        ]],
          example.tag,
          example.code
        )
        t:eq(problem, vim.NIL, example.tag .. ": " .. example.code)
      end
    end
    t:ok(ran >= 14, ran .. " examples")
  end)

  case("every integration is found by its file, with all that the report needs", function(t)
    local nvim = t:editor({ options = { binary = "/nonexistent" } })
    local listed = nvim:lua([[
      return vim.tbl_map(function(host)
        local info = vim.deepcopy(host.info)
        info.id, info.check = host.id, nil
        return info
      end, require("conv.integration_health").list())
    ]])
    local files = vim.fn.readdir(t.root .. "/lua/conv/integrations")
    t:eq(#listed, #files)
    local help = table.concat(vim.fn.readfile(t.root .. "/doc/conv.txt"), "\n")
    local readme = table.concat(vim.fn.readfile(t.root .. "/README.md"), "\n")
    for _, host in ipairs(listed) do
      for _, field in ipairs({ "name", "module", "marker", "use", "fresh", "refused", "shown", "gateway" }) do
        t:ok(type(host[field]) == "string", host.id .. " has no " .. field)
      end
      t:ok(vim.list_contains(files, host.id .. ".lua"), host.id)
      local case_file = t.root .. "/tests/nvim/cases/host_" .. host.id .. ".lua"
      t:ok(vim.uv.fs_stat(case_file) ~= nil, "no test of " .. host.id)
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
    t:match(text, "WARNING.*codecompanion.nvim is wired to `openrouter`. You are not logged in")
    t:match(text, ":ConvLogin openrouter")
    hosts.log_in(t, nvim, "openrouter")
    t:match(report(nvim), "OK.*codecompanion.nvim is wired to `openrouter`\n")
    nvim:lua('require("conv.integrations.codecompanion").adapter("openruoter")')
    t:match(report(nvim), "wired to `openruoter`. There is no provider")
  end)

  case("a plugin that is wired in a file of its own is not told to be wired", function(t)
    local nvim = t:editor({ options = { binary = "/nonexistent" } })
    hosts.install(t, nvim, "mcphub")
    t:match(report(nvim), "mcphub.nvim is wired in its servers.json: see .*conv%-mcphub")
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
