-- What both sides must know the same way: written by `make doc` from src/protocol and src/error.rs.

-- stylua: ignore
return {
  VERSION = 1,

  ---Milliseconds after which a call is given up, by method.
  ---@type table<string, integer>
  deadlines = {
    ["hello"] = 10000,
    ["providers"] = 10000,
    ["status"] = 60000,
    ["get"] = 60000,
    ["invalidate"] = 60000,
    ["login.start"] = 45000,
    ["login.input"] = 60000,
    ["login.cancel"] = 5000,
    ["command.cancel"] = 5000,
    ["logout"] = 60000,
    ["usage"] = 30000,
    ["gateway.open"] = 20000,
    ["agent.open"] = 60000,
    ["agent.answer"] = 5000,
    ["agent.revoke"] = 20000,
    ["shutdown"] = 3000,
  },

  ---Every code in the order of the help's table: name, what ends it, how loud it is, meaning.
  ---@type [string, "passing"|"lasting"|"untold", "info"|"warn"|"error", string][]
  codes = {
    { "not_logged_in", "lasting", "warn", "No source yields a credential for this login." },
    { "login_expired", "lasting", "warn", "The stored login can no longer be refreshed." },
    { "login_denied", "untold", "warn", "The person or the provider refused it, on the consent page or when a login was lent." },
    { "login_timeout", "untold", "warn", "Nobody finished the login in time." },
    { "cancelled", "untold", "info", "The person cancelled." },
    { "busy", "passing", "warn", "Another login or another process holds what this call needs." },
    { "starting", "passing", "info", "The backend is still starting." },
    { "unknown_login", "lasting", "error", "No provider or login has this name." },
    { "invalid_argument", "untold", "error", "An argument is not of the allowed form." },
    { "config_invalid", "lasting", "error", "The configuration has a wrong key, type or value." },
    { "network", "passing", "warn", "The provider could not be reached." },
    { "timeout", "passing", "warn", "The provider did not answer in time." },
    { "rate_limited", "passing", "warn", "The provider asks to wait." },
    { "provider_refused", "untold", "error", "The provider refused the request." },
    { "provider_error", "passing", "warn", "The provider reports a fault of its own." },
    { "bad_response", "passing", "error", "The answer is not what the protocol allows." },
    { "state_mismatch", "untold", "warn", "The answer belongs to another login attempt." },
    { "port_in_use", "untold", "error", "The loopback port that the provider demands is taken." },
    { "keyring_locked", "untold", "error", "The keyring is there but locked." },
    { "keyring_unavailable", "untold", "error", "There is no keyring, or it does not answer." },
    { "store_unreadable", "untold", "error", "A stored credential is there but cannot be read." },
    { "store_unwritable", "untold", "error", "The store cannot be written." },
    { "backend_missing", "untold", "error", "The backend program is not built or not found." },
    { "backend_crashed", "untold", "error", "The backend ended unexpectedly." },
    { "protocol_mismatch", "untold", "error", "Plugin and backend speak different protocol versions." },
  },

  ---Every state, the one that speaks for several logins first: its name, its word, how much it matters, its sentence.
  ---@type { name: ConvState, word: string, weight: "none"|"ok"|"info"|"warn"|"error", sentence: string }[]
  states = {
    { name = "error", word = "error", weight = "error", sentence = "No token can be had now." },
    { name = "needs_login", word = "log in again", weight = "warn", sentence = "The provider no longer accepts this login." },
    { name = "logging_in", word = "logging in", weight = "info", sentence = "A login is under way." },
    { name = "refreshing", word = "refreshing", weight = "info", sentence = "A new token is being fetched." },
    { name = "expiring", word = "refresh due", weight = "info", sentence = "The next use fetches a new token." },
    { name = "ready", word = "ready", weight = "ok", sentence = "The next use asks for it." },
    { name = "stored", word = "stored", weight = "ok", sentence = "It has not been used here yet." },
    { name = "valid", word = "logged in", weight = "ok", sentence = "Its token is good." },
    { name = "logged_out", word = "logged out", weight = "none", sentence = "Nobody is logged in." },
  },
}
