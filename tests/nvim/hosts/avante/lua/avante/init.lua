-- A stand-in for avante.nvim: setup, the first opening of its window, the model selector, one request.

local config = require("avante.config")
local providers = require("avante.providers")

local M = {}

function M.setup(opts)
  config.provider, config.providers = opts.provider, opts.providers
  providers.setup()
end

---The sidebar, if it was opened: the code that it is about.
function M.get()
  return M.sidebar
end

function M.open()
  M.sidebar = { code = { bufnr = vim.api.nvim_get_current_buf() } }
  if not vim.g.avante_login then
    vim.api.nvim_exec_autocmds("User", { pattern = "AvanteRequestLogin" })
    vim.g.avante_login = true
  end
end

---Which providers the model selector shows.
function M.selectable()
  local names = {}
  for name in pairs(config.providers) do
    if providers.get(name).is_env_set() then
      table.insert(names, name)
    end
  end
  return names
end

---Nil and avante's own message if it has no key.
function M.ask(text)
  local spec, problem = providers.get(config.provider):parse_curl_args()
  if not spec then
    vim.notify(problem, vim.log.levels.ERROR, { title = "Avante" })
    return nil
  end
  M.sent = spec
  local answer = require("curl").post(spec.url, spec.headers, require("curl").question(text))
  if answer.status >= 400 then
    providers.get(config.provider).on_error({ status = answer.status, body = answer.body })
  end
  return { status = answer.status, body = answer.body }
end

return M
