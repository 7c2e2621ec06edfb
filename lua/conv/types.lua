---@meta
-- Types of what goes in and out of this plugin. Nothing here exists at run time.

error("lua/conv/types.lua holds types only")

---@class (exact) ConvError
---@field code string one of the codes in `:h conv-errors`
---@field message string one sentence
---@field hint? string what to do next

---@class (exact) ConvCredential
---@field token string
---@field kind "oauth"|"api-key"
---@field headers table<string, string> everything the API wants, authorization included
---@field base_url? string
---@field expires_at? integer Unix seconds; nil for a key that does not expire
---@field source string `login`, `env:VARIABLE` or `app`
---@field login string
---@field identity? string
---@field revision integer

---@alias ConvState
---| "logged_out"
---| "logging_in"
---| "valid"
---| "expiring"
---| "refreshing"
---| "needs_login"
---| "error"

---@class (exact) ConvLoginStatus
---@field login string
---@field provider string
---@field account? string
---@field name? string the provider's name for people
---@field state ConvState
---@field method? string
---@field kind? "oauth"|"api-key"
---@field source? string
---@field store? string
---@field identity? string
---@field scopes? string[]
---@field expires_at? integer
---@field revision? integer
---@field error? ConvError
---@field needs_login? string

---@class (exact) ConvStatus
---@field backend conv.BackendState
---@field logins table<string, ConvLoginStatus>
---@field store? conv.StoreReport
---@field text string the statusline's text

---@class (exact) conv.StoreReport
---@field backend string
---@field reason string
---@field problem? ConvError why the wanted place cannot be used now

---@class (exact) ConvGetOpts
---@field min_validity? integer seconds that the token must still be good for
---@field timeout? integer milliseconds

---@class (exact) ConvLoginOpts
---@field method? string
---@field browser? boolean false: paste or device code only
---@field confirmed? boolean the method's notice was shown and accepted

---@class (exact) ConvLogoutResult
---@field login string
---@field revoked "yes"|"no"|"unsupported"
---@field page? string
---@field message string

---@class (exact) conv.Method
---@field id string
---@field label string
---@field grant string
---@field notice? string
---@field notice_confirmed? boolean
---@field terms? string
---@field default? boolean
---@field needs_browser? boolean it has no page to paste from
---@field revocable? boolean whether a logout takes it back at the provider; absent where only trying tells

---@class (exact) conv.Provider
---@field id string
---@field name string
---@field builtin boolean
---@field methods conv.Method[]
---@field logins string[]
---@field env string[]

---@alias conv.BackendState "stopped"|"starting"|"ready"|"down"

---@class (exact) conv.LoginEvent
---@field id integer
---@field login string
---@field method string
---@field stage "open-url"|"device-code"|"waiting"|"exchanging"|"done"|"failed"
---@field url? string
---@field paste_url? string
---@field input? "code"|"api-key"|"none"
---@field loopback? boolean
---@field port? integer
---@field notice? string
---@field user_code? string
---@field verification_uri? string
---@field verification_uri_complete? string
---@field interval? integer
---@field qr? string[] lines of a QR code of the address
---@field label? string
---@field page? string
---@field expires_at? integer
---@field ignored? integer
---@field identity? string
---@field kind? string
---@field store? string
---@field error? ConvError

---@alias conv.Chunk [string, string?] text and highlight group
---@alias conv.Line conv.Chunk[]
