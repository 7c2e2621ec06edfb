-- A stand-in for CopilotChat.nvim: what it keeps of headers and models, and for how long, and how it sends.
-- All providers are asked for their models first, in the order of their names; its own `copilot` signs in to
-- GitHub for that, and the message waits.

local async = require("plenary.async")

local M = { providers = {}, cache = {}, clock = os.time }

local CACHE_TTL = 300

local schedule = async.wrap(vim.schedule, 1)

local function authenticate(name)
  local provider, cache = M.providers[name], M.cache[name]
  if not cache.headers or (cache.expires_at and cache.expires_at <= M.clock()) then
    cache.headers, cache.expires_at = provider.get_headers()
  end
  return cache.headers or {}
end

-- A failure leaves an empty list, for as long as a good one.
local function models(name)
  local cache = M.cache[name]
  if not cache.models or cache.models_until <= M.clock() then
    local ok, headers = pcall(authenticate, name)
    local found, list = false, nil
    if ok then
      found, list = pcall(M.providers[name].get_models, headers)
    end
    cache.models = found and list or {}
    cache.models_until = M.clock() + CACHE_TTL
  end
  return cache.models
end

---What a setup does with the person's providers: those of its own stay, unless they are disabled.
function M.setup(opts)
  M.providers = vim.tbl_deep_extend("force", require("CopilotChat.config.providers"), opts.providers)
end

local function find(id)
  local model, of
  for name, provider in vim.spairs(M.providers) do
    M.cache[name] = M.cache[name] or {}
    for _, entry in ipairs(not provider.disabled and models(name) or {}) do
      if entry.id == id then
        model, of = entry, name
      end
    end
  end
  return model, of
end

local function send(name, id, text)
  local model, of = find(id)
  assert(not model or of == name, of)
  if not model then
    error("Model not found: " .. id, 0)
  end
  local provider, options = M.providers[name], { model = model }
  local headers = authenticate(name)
  local request, more = provider.prepare_input({ { role = "user", content = text } }, options)
  headers = vim.tbl_extend("force", headers, more or {})
  request.max_tokens = 9
  schedule()
  local url = provider.get_url(options)
  M.sent = { headers = headers, url = url }
  local answer = require("curl").post(url, headers, request)
  if answer.status ~= 200 then
    error("Failed to get response: " .. answer.status, 0)
  end
  return { status = 200, body = provider.prepare_output(vim.json.decode(answer.body), options).content }
end

---Sends; `M.answer` is what came, `M.shown` the error that the chat shows.
function M.ask(name, id, text)
  M.answer, M.shown = nil, nil
  async.run(function()
    return send(name, id, text)
  end, function(ok, result)
    M.answer, M.shown = ok and result or nil, not ok and result or nil
  end)
end

return M
