-- A stand-in for a provider of model.nvim: without authorization and address it needs a variable, and fails
-- for want of it.

return {
  adapt = function() end,
  request_completion = function(handlers, params, options)
    options = options or {}
    local headers = { ["Content-Type"] = "application/json" }
    if options.authorization then
      headers.Authorization = options.authorization
    elseif not options.url then
      headers.Authorization = "Bearer " .. require("model.core.chat").env("OPENAI_API_KEY")
    end
    local url = (options.url or "https://api.openai.com/v1/"):gsub("/$", "") .. "/chat/completions"
    handlers.on_finish(require("curl").post(url, headers, params))
    return function() end
  end,
}
