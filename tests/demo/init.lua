-- The editor of `make demo`: the plugin, a statusline, a guide, and commands that play the browser and a
-- companion.

local root = assert(vim.env.CONV_DEMO_ROOT)
vim.opt.runtimepath:prepend(root)
package.path = root .. "/tests/nvim/lib/?.lua;" .. package.path

vim.o.termguicolors = vim.env.COLORTERM ~= nil
vim.o.laststatus = 3
vim.o.swapfile = false
vim.o.statusline = " demo %=%{get(g:, 'conv_status', '')} "

local opened ---@type string?

vim.g.conv = {
  binary = vim.env.CONVOCATIONS,
  browser = true,
  open = function(url)
    opened = url
    local ok, job, problem = pcall(vim.ui.open, url)
    local started = ok and job and not problem
    vim.schedule(function()
      local how = started and "Approve in your browser, or type :DemoApprove here."
        or "Type :DemoApprove (or :DemoDeny)."
      vim.api.nvim_echo({ { how } }, false, {})
    end)
  end,
}

---The code that a login window shows, to be typed at the provider's page.
---@return string?
local function device_code()
  for _, win in ipairs(vim.api.nvim_list_wins()) do
    local buffer = vim.api.nvim_win_get_buf(win)
    if vim.bo[buffer].filetype == "conv" then
      local text = table.concat(vim.api.nvim_buf_get_lines(buffer, 0, -1, false), "\n")
      return text:match("ype this code[ %a]*:%s+([%w-]+)")
    end
  end
end

---@param decision "approve"|"deny"
local function play(decision)
  if not opened then
    return vim.notify("Begin with :ConvLogin; then this plays the person at the provider's page.")
  end
  local person = require("person")
  local url, code = opened, device_code()
  opened = nil
  local ok = pcall(function()
    if code and decision == "approve" then
      return person.approve_device(url, code)
    end
    local callback = person[decision](url)
    -- The plugin's answer to the browser needs this editor's loop only for the window, not for the page
    -- itself.
    person.visit(callback)
  end)
  if not ok then
    vim.notify("That sign-in page is no longer waiting; begin again with :ConvLogin.")
  end
end

vim.api.nvim_create_user_command("DemoApprove", function()
  play("approve")
end, { desc = "Play the person who approves in the browser" })
vim.api.nvim_create_user_command("DemoDeny", function()
  play("deny")
end, { desc = "Play the person who denies in the browser" })

local chats = {
  anthropic = "/anthropic/v1/messages",
  openrouter = "/openrouter/api/v1/chat/completions",
}

-- What a companion plugin does: one line for the headers, then its own request.
vim.api.nvim_create_user_command("DemoAsk", function(command)
  local login = command.args ~= "" and command.args or "anthropic"
  local headers, err = require("conv").headers(login)
  if not headers then
    return vim.notify(err.message .. " " .. (err.hint or ""), vim.log.levels.WARN)
  end
  local body = { model = "demo", max_tokens = 16, messages = { { role = "user", content = "Hello" } } }
  local url = vim.env.CONV_DEMO_URL .. chats[login]
  local answer = require("http").post_json(url, body, headers)
  vim.notify(
    answer.status == 200 and "The API answered 200: the token is good."
      or "The API answered " .. answer.status
  )
end, {
  nargs = "?",
  complete = function()
    return { "anthropic", "openrouter" }
  end,
  desc = "Send a chat request with the login's headers, as a companion plugin does",
})

-- At most 76 columns: it is read in a terminal of 80.
local guide = {
  "",
  "   Convocations: a tour with pretend providers. Nothing leaves this",
  "   machine, nothing of your own settings, logins or keyring is touched.",
  "",
  "   :ConvLogin openrouter browser      approve in the browser, or :DemoApprove",
  "   :ConvLogin anthropic subscription  the same after a notice; :DemoDeny: no",
  "   :lua =require('conv').token('anthropic')   what a companion plugin gets",
  "   :DemoAsk anthropic                 a whole request with it",
  "   :ConvStatus                        every login; r refreshes one",
  "   :ConvLogin! openrouter code        without a browser: paste a code",
  "   :checkhealth conv                  what is set up, and what is not",
  "   :ConvLogout                        and it is gone",
  "",
  "   The statusline below shows the logins. :qa ends the tour.",
  "",
}

vim.api.nvim_create_autocmd("VimEnter", {
  callback = function()
    local buffer = vim.api.nvim_get_current_buf()
    vim.api.nvim_buf_set_lines(buffer, 0, -1, false, guide)
    vim.bo[buffer].buftype = "nofile"
    vim.bo[buffer].modifiable = false
    vim.wo.wrap = false
    vim.api.nvim_buf_set_name(buffer, "Convocations tour")
  end,
})
