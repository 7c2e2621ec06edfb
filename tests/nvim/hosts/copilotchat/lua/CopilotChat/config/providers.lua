-- A stand-in for CopilotChat.nvim's own providers: the shape of their requests, and the sign-in that they
-- begin.

return {
  copilot = {
    get_headers = function()
      vim.g.device_sign_in = true
      return coroutine.yield(function() end, 1) -- until a person has typed the code
    end,
    get_models = function()
      return {}
    end,
    prepare_input = function(inputs, options)
      return { model = options.model.id, messages = inputs, stream = false }, { ["x-initiator"] = "user" }
    end,
    prepare_output = function(output)
      return { content = output.choices[1].message.content, finish_reason = "stop" }
    end,
  },
}
