-- Every option, once: type, default, what it does. Defaults, checks, the help's table and what goes to the
-- backend all come from here. Entries marked `shared` have the shape of convocations.toml and win over it;
-- they have no default on this side, because what is not set here is that file's to say.

---@class (exact) conv.SchemaEntry
---@field name string
---@field type string|string[] names as `type()` gives them, plus `integer` and `list`
---@field default? any
---@field enum? any[] the values allowed, where strings are
---@field min? integer
---@field max? integer
---@field shared? boolean
---@field keys? string[] what a table of texts may name
---@field fields? conv.SchemaEntry[]
---@field items? string type of a list's items
---@field shown_default? string the default as the help shows it
---@field description string

---@type conv.SchemaEntry[]
return {
  {
    name = "binary",
    type = "string",
    shown_default = "found",
    description = "Path of the `convocations` program. Otherwise the one built in the plugin's folder or downloaded, "
      .. "whichever came last, then `$PATH`.",
  },
  {
    name = "install",
    type = { "boolean", "string" },
    enum = { "ask", "download", "build" },
    default = "ask",
    description = "What a command does where the backend is missing or is not the plugin's version: `ask`; "
      .. "`download` or `build` without asking; `false`: neither, ever. See |conv-install|.",
  },
  {
    name = "release_url",
    type = "string",
    shown_default = "the releases of the repository that the plugin was cloned from",
    description = "Where the archives are, if not there: the address of a folder, with `{version}` for the version. "
      .. "`https:` only; what comes from it is held against the sums in the plugin's repository all the same.",
  },
  {
    name = "browser",
    type = { "boolean", "string" },
    enum = { "auto" },
    default = "auto",
    description = "Whether a browser can be opened from here. `auto`: not over SSH, in WSL or in a container, "
      .. "where a login leads with a pasted code or a device code instead.",
  },
  {
    name = "cold_wait",
    type = "integer",
    min = 0,
    max = 10000,
    default = 200,
    description = "Milliseconds that a synchronous call may wait for a token that is not in memory yet; 0: never.",
  },
  {
    name = "timeout",
    type = "integer",
    min = 1,
    max = 600000,
    default = 60000,
    description = "Milliseconds after which `conv.get` and `conv.invalidate` give up.",
  },
  {
    name = "open",
    type = "function",
    shown_default = "vim.ui.open",
    description = "Opens an address in a browser: `function(url)`. May return an error text.",
  },
  {
    name = "notify",
    type = "function",
    shown_default = "vim.notify",
    description = "Shows a message: `function(text, level, opts)`.",
  },
  {
    name = "login",
    type = "function",
    shown_default = "none",
    description = "Picks the account: `function(login)` gets the login asked for and returns the one to use, so that "
      .. "a work repository uses the work account. Runs at each `conv.token()`: keep it quick. For one buffer, "
      .. "`vim.b.conv_login` does the same: a login, or logins by provider.",
  },
  {
    name = "preload",
    type = "list",
    items = "string",
    default = {},
    description = "Logins to fetch once the editor is idle, so that the first request finds them. Empty: nothing "
      .. "happens before first use.",
  },
  {
    name = "icons",
    type = { "boolean", "table" },
    keys = {
      "logged_out",
      "logging_in",
      "stored",
      "valid",
      "refreshing",
      "expiring",
      "needs_login",
      "error",
      "down",
    },
    default = true,
    description = "The statusline's signs. `false`: ASCII only. A table replaces single ones: `logged_out`, "
      .. "`logging_in`, `stored`, `valid`, `refreshing`, `expiring`, `needs_login`, `error`, `down`.",
  },
  {
    name = "statusline_usage",
    type = "boolean",
    default = false,
    description = "Whether the statusline's text ends with the newest figure of |conv.usage()|. Nobody is asked for it: "
      .. "it is what `:ConvStatus`, or a call of yours, was told last.",
  },
  {
    name = "gateway",
    type = { "boolean", "string" },
    enum = { "auto" },
    default = "auto",
    description = "Whether integrations give their host a local address in place of the provider's, and a key for that "
      .. "in place of the token: |conv-gateway|. `auto`: where the host would keep the token, or show it on a command "
      .. "line; `true`: all that can; `false`: none.",
  },
  {
    name = "store",
    type = "table",
    shared = true,
    description = "Where secrets are kept.",
    fields = {
      {
        name = "backend",
        type = "string",
        enum = { "auto", "keyring", "local-encrypted" },
        shown_default = '"auto"',
        description = "`auto`: the OS keyring, else an encrypted file, and it says which and why.",
      },
      {
        name = "keyring_timeout",
        type = "integer",
        min = 1,
        shown_default = "5",
        description = "Seconds to wait for the keyring.",
      },
    },
  },
  {
    name = "callback",
    type = "table",
    shared = true,
    description = "The listener that waits for the browser.",
    fields = {
      {
        name = "port",
        type = "integer",
        min = 0,
        max = 65535,
        shown_default = "3000",
        description = "Preferred loopback port where the provider takes any; `$RCONV_HTTP_PORT` wins.",
      },
      {
        name = "timeout",
        type = "integer",
        min = 1,
        shown_default = "300",
        description = "Seconds that a login waits.",
      },
    },
  },
  {
    name = "refresh",
    type = "table",
    shared = true,
    description = "When a token counts as old.",
    fields = {
      {
        name = "margin",
        type = "integer",
        min = 0,
        shown_default = "300",
        description = "Seconds before its end at which a token no longer counts as fresh.",
      },
    },
  },
  {
    name = "http",
    type = "table",
    shared = true,
    description = "Requests to providers.",
    fields = {
      {
        name = "timeout",
        type = "integer",
        min = 1,
        shown_default = "30",
        description = "Seconds for one request.",
      },
      {
        name = "ca_file",
        type = "string",
        shown_default = "none",
        description = "A PEM file with the certificate authority of your network, from `/` or `~/` on: trusted beside the system's, whatever `SSL_CERT_FILE` says. `convocations doctor --online` tells whether it serves.",
      },
    },
  },
  {
    name = "providers",
    type = "table",
    shared = true,
    description = "Providers of one's own, and changes to built-in ones: see |conv-providers|.",
  },
}
