-- A stand-in for CopilotChat.nvim's own provider, for the shape of its requests.

return {
  copilot = {
    prepare_input = function(inputs, options)
      return { model = options.model.id, messages = inputs, stream = false }, { ["x-initiator"] = "user" }
    end,
    prepare_output = function(output)
      return { content = output.choices[1].message.content, finish_reason = "stop" }
    end,
  },
}
