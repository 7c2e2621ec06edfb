---@meta
-- What the type check is told of libuv, whose own description does not come with Neovim.

---@class uv
---@field [string] any
vim.uv = {}

---@class uv.uv_timer_t
---@field start fun(self: uv.uv_timer_t, timeout: integer, again: integer, callback: fun())
---@field stop fun(self: uv.uv_timer_t)
---@field close fun(self: uv.uv_timer_t)
---@field is_closing fun(self: uv.uv_timer_t): boolean

---@class uv.uv_fs_poll_t
---@field start fun(self: uv.uv_fs_poll_t, path: string, interval: integer, callback: fun())
---@field stop fun(self: uv.uv_fs_poll_t)
---@field close fun(self: uv.uv_fs_poll_t)

---@class uv.uv_fs_event_t
---@field start fun(self: uv.uv_fs_event_t, path: string, flags: table, callback: fun(...: any))
---@field close fun(self: uv.uv_fs_event_t)
