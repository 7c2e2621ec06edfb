-- A stand-in for codecompanion.nvim: how it makes an adapter, and what it does with `env`, headers and
-- address. A variable whose function answers nil stays in the text as `${name}`, as there.

local M = { asked = {} }

local function stream(adapter)
  adapter.parameters = adapter.parameters or {}
  adapter.parameters.stream = adapter.opts.stream
  return true
end

-- What the host asks of its adapters when a chat opens, and in the setup of some: what the model can do.
function M.model_choice(adapter, opts)
  local choices = adapter.schema.model.choices
  if type(choices) == "function" then
    choices = choices(adapter, opts)
  end
  return type(choices) == "table" and choices[adapter.schema.model.default] or nil
end

local bases = {
  openai_compatible = {
    name = "openai_compatible",
    formatted_name = "OpenAI Compatible",
    url = "${url}${chat_url}",
    env = {
      api_key = "OPENAI_API_KEY",
      url = "http://localhost:11434",
      chat_url = "/v1/chat/completions",
      models_endpoint = "/v1/models",
    },
    headers = { ["Content-Type"] = "application/json", Authorization = "Bearer ${api_key}" },
    opts = { stream = false },
    handlers = {
      setup = stream,
      on_exit = function(_, data)
        M.last_status = data.status
      end,
    },
    schema = {
      model = {
        default = function(adapter)
          return M.models(adapter)[1]
        end,
        choices = function(adapter)
          return M.models(adapter)
        end,
      },
    },
  },
  anthropic = {
    name = "anthropic",
    formatted_name = "Anthropic",
    url = "https://api.anthropic.com/v1/messages",
    env = { api_key = "ANTHROPIC_API_KEY" },
    headers = {
      ["content-type"] = "application/json",
      ["x-api-key"] = "${api_key}",
      ["anthropic-version"] = "2023-06-01",
    },
    opts = { stream = false },
    handlers = {
      -- The setup adds to a list of the headers, so that it has to be a text at that time.
      setup = function(adapter)
        M.model_choice(adapter, { async = false })
        local beta = adapter.headers["anthropic-beta"]
        adapter.headers["anthropic-beta"] = (beta and beta:gsub("^", "") .. "," or "") .. "compact-2026-01-12"
        return stream(adapter)
      end,
    },
    schema = {
      model = {
        default = "claude",
        choices = function(adapter)
          return M.models_of_vendor(adapter)
        end,
      },
    },
  },
}
-- The newer shape, with its handlers in groups.
bases.grouped = vim.tbl_extend("force", bases.openai_compatible, {
  name = "grouped",
  handlers = { lifecycle = { setup = stream }, request = {}, response = {} },
})

function M.extend(name, changes)
  return vim.tbl_deep_extend("force", vim.deepcopy(assert(bases[name], "no adapter " .. name)), changes or {})
end

function M.get_env_vars(adapter)
  adapter.env_replaced = {}
  for name, value in pairs(adapter.env) do
    if type(value) == "function" then
      adapter.env_replaced[name] = value(adapter)
    else
      adapter.env_replaced[name] = os.getenv(value) or value
    end
  end
end

local function replaced(adapter, value)
  return type(value) == "string"
      and (value:gsub("${(.-)}", function(name)
        return adapter.env_replaced[name]
      end))
    or value
end

function M.set_env_vars(adapter, object)
  if type(object) == "string" then
    return replaced(adapter, object)
  end
  local result = {}
  for key, value in pairs(object) do
    if type(value) == "function" then
      value = value(adapter)
    end
    result[key] = replaced(adapter, value)
  end
  return result
end

-- The list of models: without the setup handler, while the editor waits.
function M.models(adapter)
  M.get_env_vars(adapter)
  local url = adapter.env_replaced.url .. adapter.env_replaced.models_endpoint
  local headers = M.set_env_vars(adapter, adapter.headers)
  table.insert(M.asked, { url = url, headers = headers })
  local answer = require("http").request("GET", url, { headers = headers })
  return vim.tbl_map(function(model)
    return model.id
  end, vim.json.decode(answer.body).data)
end

-- The list of the vendor, whatever address the requests have, with the adapter's headers as they are at that
-- time.
function M.models_of_vendor(adapter)
  local source = { name = "Anthropic", url = "https://api.anthropic.com/v1/models" }
  return require("codecompanion.adapters.utils.models.fetch").get(source, adapter)
end

return M
