---@meta
-- Types of what goes in and out of this plugin. Nothing here exists at run time.

error("lua/conv/types.lua holds types only")

-- begin: the wire, written by `make doc` from src/protocol

---@alias ConvState
---| "error" # A source cannot be read now, or the token has ended and no new one can be had: `error` says why.
---| "needs_login" # The provider takes the refresh token no more. `source` says whether a token is there all the same.
---| "logging_in" # A conversation in this very editor or terminal is about it; the backend never sends this one.
---| "refreshing" # A refresh is under way.
---| "expiring" # The token ends within the margin, or has ended.
---| "ready" # It comes from a source that is asked when it is needed, and nobody has needed it here yet.
---| "stored" # There is an entry, and nobody has looked yet whether its secret can be read.
---| "valid" # A token is there and fresh.
---| "logged_out" # No source yields a credential.

---Whether the answer counted.
---@class (exact) conv.AgentAnswered
---@field taken boolean No, if it is no longer asked, or too new to have been read.

---What an agent answers instead, with a status that is no success.
---@class (exact) conv.AgentFailure
---@field error ConvError Why.

---A grant is served. Also what `agent --json` and `ssh --json` print, on one line.
---@class (exact) conv.AgentOpened
---@field id string The grant's name in commands.
---@field address string Where it is served, as in `CONVOCATIONS_AGENT`.

---What an agent serves: its answer to `GET /v1/status`.
---@class (exact) conv.AgentStatus
---@field version string The serving program's version.
---@field id string The grant's name at home.
---@field label string Whom it was made for.
---@field home string Whose logins these are: `USER@HOST` of the machine that they live on.
---@field power "use"|"token" What the grant allows.
---@field lasting boolean Whether keys that do not end may be handed out too.
---@field confirm boolean Whether the person is asked at each use.
---@field ends? integer Until when, Unix seconds; absent if it ends with the program that serves it.
---@field logins ConvLoginStatus[] The logins that it offers.

---The state of every login after any change by any process.
---@class (exact) conv.Changed
---@field logins ConvLoginStatus[] All of them.
---@field seq integer Greater the later it began to look; one smaller than another that came before is to be ignored.

---What a caller gets. Also `token --json`.
---@class (exact) ConvCredential
---@field token string The token or key.
---@field kind "oauth"|"api-key" How it travels.
---@field share "any"|"editor" Who may use it, by its vendor's terms.
---@field headers table<string, string> Everything the API wants, authorization included, by header name.
---@field base_url? string API base URL, if the provider has one.
---@field expires_at? integer Unix seconds; absent for a key that does not expire.
---@field use_until? integer Until when the answer of a command is used before it is run again, Unix seconds; absent where the token itself says how long.
---@field source string Which source won: `login`, `env:VARIABLE`, `command`, `workload`, `app` or `agent`.
---@field login string The login it belongs to.
---@field identity? string Who this is, if known.
---@field scopes? string[] Granted scopes, if the provider named them.
---@field revision integer The stored login's revision: of two, the higher is the newer; 0 for a credential that is not stored here.

---What `doctor` has found. `doctor --json`.
---@class (exact) conv.DoctorAnswer
---@field findings conv.Finding[] In the order in which they are shown.
---@field online? conv.Reach[] The way to each server of each provider in use; absent without `--online`.

---What this editor lends, after each change but the backend's own end: by it the next backend serves the same.
---@class (exact) conv.EditorGrants
---@field grants conv.GrantReport[] The oldest first.

---What went wrong: a code, one sentence, and what to do next.
---@class (exact) ConvError
---@field code string One of the codes.
---@field message string One sentence.
---@field hint? string What to do next.

---One thing that was looked at.
---@class (exact) conv.Finding
---@field mark "ok"|"note"|"bad" How it counts.
---@field message string What was found.
---@field hint? string What to do about it.

---The gateway is served.
---@class (exact) conv.GatewayOpened
---@field port integer The port that the backend listens on.

---What the editor's gateway has done.
---@class (exact) conv.GatewayReport
---@field requests integer Requests that were let in.
---@field open integer Answers under way.
---@field refused integer Requests and connections refused.

---Somebody wants to use a login by a grant that asks the person each time.
---@class (exact) conv.GrantQuestion
---@field id integer The number that the answer names.
---@field grant string The grant.
---@field label string Whom the grant was made for.
---@field login string Which login.
---@field power "use"|"token" What is wanted: a request to be sent with the login, or a token.
---@field program string The program at this machine's end of the connection, as far as the system tells: `ssh (4711)`.
---@field waiting integer Requests that wait for the answer.
---@field ends integer When it counts as no, Unix seconds.

---What the person is asked by this editor's grants, after each change.
---@class (exact) conv.GrantQuestions
---@field questions conv.GrantQuestion[] The oldest first; none once all are answered or withdrawn.

---A grant that is served. Also a line of `grants --json`.
---@class (exact) conv.GrantReport
---@field id string Its name in commands.
---@field label string Whom it was made for, in the person's words.
---@field at string Where it is served, without a key: `unix:PATH` or `http://127.0.0.1:PORT`.
---@field logins string[] What may be used.
---@field power "use"|"token" What it allows.
---@field lasting boolean Whether keys that do not end may be handed out too.
---@field confirm boolean Whether the person is asked at each use.
---@field began integer Since when, Unix seconds.
---@field ends? integer Until when, Unix seconds; absent if it ends with the program that serves it.
---@field pid integer The process that serves it.
---@field uses integer Uses: requests that were let in and tokens that were handed out.
---@field open integer Answers under way.
---@field refused integer Requests and connections refused.
---@field by_login conv.GrantUse[] The uses of each login that was used.

---How often a login was used by a grant.
---@class (exact) conv.GrantUse
---@field login string Which login.
---@field requests integer Requests that were let in.
---@field tokens integer Tokens that were handed out.
---@field at integer The last use, Unix seconds.

---The grants of all processes of this person. Also `grants --json`.
---@class (exact) conv.Grants
---@field grants conv.GrantReport[] The oldest first.

---Who answers, and the settings that Lua needs a say of, as they hold.
---@class (exact) conv.HelloAnswer
---@field protocol integer The protocol that the backend speaks.
---@field version string The backend's version.
---@field pid integer The backend's process.
---@field margin integer `refresh.margin`, seconds.
---@field callback_port integer `callback.port`; 0 for any.
---@field no_browser? string Why a browser may not reach this machine, in words that complete "You are …"; absent where it can.

---The machine that lends logins here: what `CONVOCATIONS_AGENT` names.
---@class (exact) conv.LenderReport
---@field address string Where it is asked, without a key: `unix:PATH` or `http://127.0.0.1:PORT`.
---@field home? string The machine: `USER@HOST`; absent until it was reached once.
---@field label? string Whom its grant was made for.
---@field power? "use"|"token" What the grant allows.
---@field ends? integer When the grant ends, Unix seconds; absent if it ends with what serves it.
---@field problem? ConvError Why it cannot be asked now.

---One event of one login.
---@class (exact) conv.LoginEvent
---@field id integer The number that the login was started under.
---@field login string The login; in `done` it may be more precise than the one asked for.
---@field method string The method in use.
---@field stage "open-url"|"device-code"|"waiting"|"exchanging"|"done"|"failed" Where it is.
---@field url? string The authorization address.
---@field paste_url? string The same login by a page that shows a code to paste, if the provider has one beside the loopback.
---@field input? "code"|"api-key"|"none" What may be pasted meanwhile.
---@field loopback? boolean Whether a loopback listener waits for the browser.
---@field port? integer The port it listens on.
---@field notice? string Something to tell beside it: the preferred port was taken, or there is no listener.
---@field qr? string[] The address for another device's camera, where the answer is pasted anyway.
---@field expires_at? integer When the login gives up, Unix seconds.
---@field user_code? string The code to type.
---@field verification_uri? string Where to type it.
---@field verification_uri_complete? string The same with the code in it: for a QR code or a click.
---@field interval? integer Seconds between two polls.
---@field label? string The prompt for it.
---@field page? string Where the person finds what is to be typed.
---@field ignored? integer How many stray requests the listener has turned away so far.
---@field error? ConvError What the provider said to the last answer, which did not end the login.
---@field identity? string Who this is, if the provider told.
---@field kind? "oauth"|"api-key" How the credential travels.
---@field store? "keyring"|"local-encrypted" Where it is kept.
---@field replaced? conv.Replaced What became of the login that it takes the place of, if there was one.
---@field notices? string[] Sentences to tell beside it.

---A login that has begun.
---@class (exact) conv.LoginStarted
---@field id integer The number that its events carry.

---One login, and what is known of it without its secret.
---@class (exact) ConvLoginStatus
---@field login string `PROVIDER` or `PROVIDER@ACCOUNT`.
---@field provider string Its provider.
---@field account? string Its account, if it names one.
---@field name string What people call the provider.
---@field state ConvState How it is.
---@field method? string The method it was made by; absent for a credential that is not stored here.
---@field kind? "oauth"|"api-key" How its token travels.
---@field source? string What `get` would answer from now: `login`, `env:VARIABLE`, `command`, `workload`, `app` or `agent`; absent if it would answer an error.
---@field store? "keyring"|"local-encrypted" Which backend keeps the secret.
---@field lender? string Whose it is, where another machine keeps it and lends it here: `USER@HOST (LABEL)`.
---@field gateway_only boolean Whether requests are sent with it, and no token of it is handed out: the grant of the machine that lends it does not allow that.
---@field base_url? string API base URL, as far as the provider's description says.
---@field identity? string Who it is, if the provider told.
---@field organization? string Which of the person's organizations it is of, if the provider told.
---@field scopes? string[] Granted scopes, if the provider named them.
---@field expires_at? integer When the token ends, Unix seconds; absent for a key that does not expire.
---@field revision integer One more at each change of the stored login; 0 for one that is not stored here.
---@field error? ConvError The last failure, until something succeeds.
---@field needs_login? string Why the person has to log in again.

---How a logout went.
---@class (exact) ConvLogoutResult
---@field login string The login that is gone.
---@field revoked "yes"|"no"|"unsupported" What the provider did.
---@field page? string Where the person can revoke what was given out.
---@field message string One sentence, or two.

---An MCP server that was looked at, and its entry in the settings. What `mcp --json` prints.
---@class (exact) conv.McpServer
---@field provider string The provider that stands for it, and so the login.
---@field name string What people call it.
---@field resource string Its address.
---@field issuer string Who signs its tokens.
---@field scopes string[] What a login will ask for.
---@field client "registration"|"document"|"by-hand" How this program becomes known to whoever signs them.
---@field file string The settings file that describes it.
---@field added boolean Whether the entry was written now; if not, it was there.
---@field authorization string What goes among the `headers` of the server in mcphub's servers.json, as `Authorization`.

---A way to log in.
---@class (exact) conv.Method
---@field id string Its name in commands and settings.
---@field label string What people call it.
---@field grant "authorization-code"|"device-code"|"mint-key"|"client-credentials"|"api-key" Which conversation it is.
---@field notice? string Shown, and to be confirmed, before the first login by it.
---@field notice_confirmed boolean Whether it was.
---@field terms? string The provider's terms, in a sentence.
---@field default boolean Whether it is taken where nobody chooses.
---@field needs_browser boolean Whether there is no page to paste from, so that the browser must reach this machine.
---@field revocable? boolean Whether a logout revokes it at the provider; absent where only trying tells.
---@field ends_others? boolean Whether that may end other logins of the same account too, those of other machines among them; absent where nothing is revoked.

---Nothing to say but that it was done.
---@class (exact) conv.Nothing

---Something that the person should be told, once.
---@class (exact) conv.Notice
---@field level "info"|"warn"|"error" How much it matters.
---@field code string One of the codes.
---@field message string One sentence.
---@field hint? string What to do next.
---@field login? string Which login it is about.

---Somebody to log in to.
---@class (exact) conv.Provider
---@field id string Its name in commands and settings.
---@field name string What people call it.
---@field builtin boolean Whether it came with the program.
---@field methods conv.Method[] Its login methods, the default first.
---@field logins string[] The logins that are stored for it.
---@field env string[] Names of the variables it reads that are set.
---@field sources string[] Where a credential comes from, in order: `env:VARIABLE`, `login`, `command`, `workload` or `app`.
---@field terms? string Its terms, in a sentence.
---@field usage "endpoint"|"headers" Where figures of usage come from.
---@field organization? string What it calls one of a person's organizations, if a login can be for one that is named.

---All providers, built in and the person's own. Also `providers --json`.
---@class (exact) conv.ProvidersAnswer
---@field providers conv.Provider[] In the order of their names.

---The way to a server, as far as it leads: the last step may have an error.
---@class (exact) conv.Reach
---@field server string Its origin, as `https://api.anthropic.com`.
---@field logins string[] The logins that need it.
---@field proxy? string Host and port of the proxy that is used, if there is one.
---@field steps conv.ReachStep[] In order.

---A step that was taken.
---@class (exact) conv.ReachStep
---@field step "name"|"connect"|"proxy"|"tls"|"answer"|"clock" Which.
---@field ms integer Milliseconds that it took.
---@field error? ConvError Why it failed, if it did.

---What became of a login's tokens whose place another one has taken.
---@class (exact) conv.Replaced
---@field revoked "yes"|"no"|"unsupported" Whether the provider took them back.
---@field page? string Where the person can revoke them, if the provider has a page for it.
---@field message string One sentence.

---How everything is. Also `status --json`.
---@class (exact) conv.StatusAnswer
---@field logins ConvLoginStatus[] In the order of their names.
---@field seq? integer Where this belongs among the `changed` events; absent from `status --json`.
---@field store conv.StoreReport Where new logins go.
---@field gateway? conv.GatewayReport The editor's gateway, once it is served.
---@field grants? conv.GrantReport[] What is lent by any process of this user, the oldest first.
---@field lender? conv.LenderReport The machine that lends logins here, if one is named.

---Where new logins go, and why.
---@class (exact) conv.StoreReport
---@field backend "keyring"|"local-encrypted" Which of the two it is.
---@field reason string In words.
---@field problem? ConvError What is wrong with it, if something is.

---The figures of a login. Also `usage --json`.
---@class (exact) conv.Usage
---@field login string Which login.
---@field source "endpoint"|"headers" Where the figures come from.
---@field at? integer When the provider told them, Unix seconds; absent where nothing is known.
---@field credit? conv.UsageCredit Money that is left, if the provider says.
---@field windows conv.UsageWindow[] What may be used in a time, each.
---@field error? ConvError Why there are no newer figures, or none; no fault of the login.
---@field lines string[] The same for a person: a line for each figure, at most 76 cells wide.
---@field short? string The fullest window, or else the credit, in a word or two; absent where nothing is known.

---The figures of every login that there is. What `usage --json` prints without a login.
---@class (exact) conv.UsageAnswer
---@field usage conv.Usage[] In the order of their names.

---Money.
---@class (exact) conv.UsageCredit
---@field remaining number What is left.
---@field limit? number What there was; absent where there is no limit, or nobody says.
---@field unit? string The currency (ISO 4217), if the provider says.

---What may be used in a time.
---@class (exact) conv.UsageWindow
---@field name string Its length, and what it is about where there are several of one length: `5 h`, `7 d`, `1 d free`.
---@field used? number How much is used, if the provider says.
---@field limit? number How much there is; absent where there is no limit, or nobody says.
---@field unit string Of what: `percent`, `requests`, `tokens`, or a currency (ISO 4217); empty where nobody says.
---@field resets_at? integer When it begins again, Unix seconds, if the provider says.

---A command that gives a login's credential is waited for: it may ask the person for a password or a finger.
---@class (exact) conv.Waiting
---@field login string Which login.
---@field program string The command's program.
---@field seconds integer Seconds that it may take in all.
---@field done boolean Whether the wait is over.

-- end: the wire

---@class (exact) ConvStatus
---@field backend conv.BackendState
---@field logins table<string, ConvLoginStatus>
---@field store? conv.StoreReport
---@field gateway? conv.GatewayReport
---@field grants conv.GrantReport[] what is lent, by any process of this user, when it was last asked for
---@field lender? conv.LenderReport the machine that lends logins here
---@field text string the statusline's text

---@class (exact) ConvGetOpts
---@field min_validity? integer seconds that the token must still be good for
---@field timeout? integer milliseconds

---@class (exact) ConvLoginOpts
---@field method? string
---@field browser? boolean false: paste or device code only
---@field confirmed? boolean the method's notice was shown and accepted
---@field challenge? string the `WWW-Authenticate` header by which an API asked for more than the login may do
---@field organization? string which of the person's organizations, as the provider knows it

---@class (exact) ConvAgentOpts
---@field logins? string[] which; all that can be lent if none is named
---@field socket? string path, in a folder that nobody else can look into; one in Neovim's own if left out
---@field token? boolean hand out access tokens too; without it no secret leaves
---@field lasting? boolean and keys that last
---@field duration? integer seconds after which it ends; with this editor in any case
---@field label? string whom it is for
---@field confirm? boolean ask here at each use

---@alias conv.BackendState "stopped"|"starting"|"ready"|"down"

---@alias conv.Chunk [string, string?] text and highlight group
---@alias conv.Line conv.Chunk[]
