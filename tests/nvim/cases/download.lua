-- The program without a compiler: offered, downloaded from a release on loopback, held against the sums of
-- the repository, put in place. What goes wrong is a sentence, and the program that was there goes on
-- working.

local releases = require("release")

local PATH = "/v0.1.0/" .. releases.file_name()

---An editor whose plugin folder is empty, with a release for it, and nobody's program on its $PATH.
---@param t table
---@param opts? { entries?: table, named?: string, about?: table, archive?: string, options?: table, env?: table, url?: string, server?: table }
local function begin(t, opts)
  opts = opts or {}
  local program = releases.program(t, opts.about)
  local server = opts.server or releases.serve(t)
  -- Made once: the next second gives other bytes.
  local served = server.files[PATH] and server.files[PATH].body
  local archive = served
    or opts.archive
    or releases.archive(t, opts.entries or { ["bin/convocations"] = program })
  server.files[PATH] = server.files[PATH] or { body = archive }
  local options = { release_url = (opts.url or server.url) .. "/v{version}" }
  local nvim = t:editor({
    env = vim.tbl_extend("force", { PATH = "/usr/bin:/bin" }, opts.env or {}),
    options = vim.tbl_extend("force", options, opts.options or {}),
  })
  nvim:lua(
    [[
      local root, checksums = ...
      vim.fn.mkdir(root, "p")
      require("conv.binary").root = function() return root end
      package.loaded["conv.checksums"] = checksums
      _G.asked, _G.offered = {}, {}
      vim.ui.select = function(items, opts, choose)
        table.insert(_G.asked, opts.prompt)
        _G.offered = vim.tbl_map(opts.format_item, items)
        choose(items[_G.choice or 1])
      end
    ]],
    t.dir .. "/plugin-folder",
    releases.checksums(t, archive, opts.named or program)
  )
  return nvim, server
end

---Puts a program of an older version in use, as an earlier download has.
local function with_an_older_one(t, nvim)
  local program = releases.program(t, { version = "0.0.9" })
  nvim:lua(
    [[
      local program, staged = ...
      local problem = require("conv.install.installed").put(program, staged)
      assert(not problem, problem)
    ]],
    { version = "0.0.9", target = releases.target(), sum = ("0"):rep(64), from = "example.com", at = 1 },
    t:file("staged", program, 448)
  )
end

---Begins a login, which ends in this sentence.
local function is_told(t, nvim, sentence)
  nvim:cmd("ConvLogin anthropic")
  t:wait("the sentence", function()
    return nvim:said(sentence)
  end)
end

local function goes_on(t, nvim)
  t:wait("the rest of the login", function()
    return nvim:said("There is no provider `anthropic`")
  end, 10000)
end

---@return string[] what is in the data folder of the plugin
local function left(t)
  local names = {}
  for name in vim.fs.dir(t.dir .. "/data/nvim/conv") do
    table.insert(names, name)
  end
  table.sort(names)
  return names
end

local function found(nvim)
  return nvim:lua("return require('conv.binary').find() or {}")
end

return function(case)
  case("the first :ConvLogin offers it, shows how far it is, and goes on", function(t)
    local nvim, server = begin(t)
    server.files[PATH].hold, server.files[PATH].send = true, 100
    nvim:cmd("ConvLogin anthropic")
    t:wait("the progress", function()
      return nvim:window_text():find("0%.0 of 0%.0 MB")
    end)
    t:match(nvim:lua("return _G.asked[1]"), "backend is not here yet")
    t:match(
      nvim:lua("return _G.offered[1]"),
      "^Download it: 0%.0 MB from 127%.0%.0%.1:%d+, held against the plugin's sum$"
    )
    nvim:type("q")
    t:wait("the end of the download", function()
      return nvim:said("The download was cancelled")
    end)
    t:eq(left(t), {}, "nothing is left of it")
    server:release(PATH)
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:match(found(nvim).how, "^downloaded from 127%.0%.0%.1")
    t:eq(left(t), { "installed.json", "programs" })
    t:eq(nvim:window(), nil)
    nvim:cmd("ConvLogin anthropic")
    t:eq(#nvim:lua("return _G.asked"), 2, "it is there: nobody is asked again")
  end)

  case("never without a yes, and by the option without a question or not at all", function(t)
    local nvim, server = begin(t)
    nvim:lua("_G.choice = #_G.offered > 0 and #_G.offered or 9")
    nvim:cmd("ConvLogin anthropic")
    t:wait("the message", function()
      return nvim:said("not here yet")
    end)
    t:eq(nvim:lua('return select(2, require("conv").token("anthropic")).code'), "backend_missing")
    nvim:lua("require('conv').setup({ install = false, release_url = ... })", server.url .. "/v{version}")
    nvim:cmd("ConvLogin anthropic")
    t:eq(#nvim:lua("return _G.asked"), 1)
    t:eq(server.requests, {})
    nvim:lua(
      "require('conv').setup({ install = 'download', release_url = ... })",
      server.url .. "/v{version}"
    )
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:eq(#nvim:lua("return _G.asked"), 1)
    t:eq(server.requests, { PATH })
  end)

  -- What goes wrong, and the words that a person gets.
  for what, attempt in
    vim.spairs({
      ["tampered with"] = {
        wrong = function(_, file)
          file.body = file.body:sub(1, -2) .. string.char((file.body:byte(-1) + 1) % 256)
        end,
        says = "The download is refused: its sum differs%. What 127%.0%.0%.1:%d+ sent is not the archive",
      },
      ["cut, and the connection with it"] = {
        wrong = function(_, file)
          file.send = 80
        end,
        says = "The download broke off",
      },
      ["shorter than it has to be"] = {
        wrong = function(_, file)
          file.body = file.body:sub(1, 80)
        end,
        says = "Only a part arrived: 80 of %d+ bytes",
      },
      ["longer than it has to be"] = {
        wrong = function(_, file)
          file.body = file.body .. ("x"):rep(1000)
        end,
        says = "larger than the archive of this release",
      },
      ["not there"] = {
        wrong = function(_, file)
          file.status = 404
        end,
        says = "does not have the archive of this release %(404%)",
      },
      ["refused by a server in trouble"] = {
        wrong = function(_, file)
          file.status = 503
        end,
        says = "answered 503 instead of the archive",
      },
      ["led in a circle"] = {
        wrong = function(_, file)
          file.status, file.headers = 302, "Location: " .. PATH .. "\r\n"
        end,
        says = "leads from one address to the next",
      },
      ["led to a file of this machine"] = {
        wrong = function(_, file)
          file.status, file.headers = 302, "Location: file:///etc/passwd\r\n"
        end,
        says = "leads to an address that is not `https://`",
      },
      ["that has no end"] = {
        wrong = function(_, file)
          file.endless = true
        end,
        says = "larger than the archive of this release",
      },
      ["of an older version"] = {
        about = { version = "0.0.8" },
        says = "holds version 0%.0%.8, and the plugin wants 0%.1%.0",
      },
      ["of a newer version"] = {
        about = { version = "9.9.9" },
        says = "holds version 9%.9%.9, and the plugin wants 0%.1%.0",
      },
      ["for another target"] = {
        about = { target = "mips-unknown-none" },
        says = "The archive is not for ",
      },
      ["a program that fails"] = { about = { status = 1 }, says = "does not run here" },
      ["a program for another machine"] = {
        entries = { ["bin/convocations"] = "\127ELF of another machine" },
        named = "\127ELF of another machine",
        says = "does not run here",
      },
      ["with another program than the repository names"] = {
        named = "another",
        says = "is not the one that the plugin's repository names%. It was not run",
      },
      ["with an entry above its folder"] = {
        entries = { ["bin/convocations"] = "x", ["../outside"] = "x" },
        says = "an entry that leads out of its folder",
      },
      ["with an absolute entry"] = {
        entries = { ["bin/convocations"] = "x", ["/absolute"] = "x" },
        says = "an entry that leads out of its folder",
      },
      ["with a link"] = {
        entries = { ["bin/convocations"] = { link = "/bin/sh" } },
        says = "neither a file nor a folder",
      },
      ["with one file under two names"] = {
        entries = { ["bin/a"] = "x", ["bin/convocations"] = { same = "bin/a" } },
        says = "neither a file nor a folder",
      },
      ["with a pipe"] = {
        entries = { ["bin/convocations"] = "x", ["share/pipe"] = { pipe = true } },
        says = "neither a file nor a folder",
      },
      ["with the program twice"] = {
        entries = { ["bin/convocations"] = { twice = "x" } },
        says = "does not have `bin/convocations` once",
      },
      ["without the program"] = {
        entries = { ["bin/other"] = "x" },
        says = "does not have `bin/convocations` once",
      },
      ["no archive at all"] = {
        archive = "<html>sign in to the hotel's network</html>",
        says = "cannot be unpacked",
      },
    })
  do
    case("an archive " .. what .. " is refused, and the program before it works", function(t)
      local nvim, server = begin(t, {
        about = attempt.about,
        entries = attempt.entries,
        named = attempt.named,
        archive = attempt.archive,
        options = { install = "download" },
      })
      if attempt.wrong then
        attempt.wrong(t, server.files[PATH])
      end
      with_an_older_one(t, nvim)
      local before = found(nvim)
      nvim:cmd("ConvLogin anthropic")
      t:wait("the sentence", function()
        return nvim:said(attempt.says)
      end)
      goes_on(t, nvim)
      t:eq(found(nvim), before, "the program in use")
      t:eq(nvim:lua("return require('conv.backend').hello().version"), "0.0.9")
      t:eq(left(t), { "installed.json", "programs" }, "nothing is left of it")
      t:eq(vim.uv.fs_stat(t.dir .. "/data/nvim/conv/outside"), nil)
    end)
  end

  case("no network, a host without a name and a wrong address are told apart", function(t)
    for url, says in pairs({
      ["http://127.0.0.1:1"] = "127%.0%.0%.1:1 cannot be reached.*HTTPS_PROXY",
      ["https://convocations.invalid"] = "convocations%.invalid was not found",
      ["http://example.com"] = "`release_url` cannot be used. It begins with `https://`",
      ["https://me:secret@example.com"] = "`release_url` is not a plain address.*netrc",
    }) do
      local nvim = begin(t, { url = url, options = { install = "download" } })
      nvim:cmd("ConvLogin anthropic")
      t:wait(says, function()
        return nvim:said(says)
      end, 20000)
      t:ok(not nvim:said("secret"))
    end
  end)

  case("by TLS: not from a server that nobody vouches for, and with one's own authority", function(t)
    local server = releases.serve(t)
    local url, ca = releases.with_tls(t, server)
    local nvim = begin(t, { server = server, url = url, options = { install = "download" } })
    is_told(t, nvim, "certificate of .* is not trusted here%. .*`SSL_CERT_FILE`")
    local env = { SSL_CERT_FILE = ca, CURL_CA_BUNDLE = ca }
    local trusting = begin(t, { server = server, url = url, options = { install = "download" }, env = env })
    local file = server.files[PATH]
    file.status, file.headers = 302, ("Location: %s/elsewhere\r\n"):format(server.url)
    trusting:cmd("ConvLogin anthropic")
    t:wait("the sentence", function()
      return trusting:said("leads to an address that is not `https://`")
    end)
    t:ok(not vim.tbl_contains(server.requests, "/elsewhere"), "it was not followed")
    file.status, file.headers = nil, nil
    trusting:cmd("ConvLogin anthropic")
    goes_on(t, trusting)
  end)

  case("a proxy that lets nothing through is not taken for the server", function(t)
    local server = releases.serve(t)
    for status, says in pairs({
      [407] = "The proxy wants a name and a password%. .*`HTTPS_PROXY`",
      [403] = "The proxy does not let convocations%.invalid through %(403%)",
    }) do
      server.files["convocations.invalid:443"] = { status = status }
      local nvim = begin(t, {
        server = server,
        url = "https://convocations.invalid",
        options = { install = "download" },
        env = { https_proxy = server.url:gsub("//", "//me:secret@"), NO_PROXY = "", no_proxy = "" },
      })
      nvim:cmd("ConvLogin anthropic")
      t:wait(says, function()
        return nvim:said(says)
      end)
      t:ok(not nvim:said("secret"))
    end
    t:eq(server.requests[1], "convocations.invalid:443")
  end)

  case("through the person's proxy", function(t)
    local server = releases.serve(t)
    local nvim = begin(t, {
      server = server,
      url = "http://127.0.0.1:1",
      options = { install = "download" },
      env = { http_proxy = server.url, NO_PROXY = "", no_proxy = "" },
    })
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:eq(server.requests, { "http://127.0.0.1:1" .. PATH })
    server.files[PATH].status = 407
    vim.fn.delete(t.dir .. "/data", "rf")
    is_told(t, nvim, "The proxy wants a name and a password")
  end)

  case("by wget, where there is no curl", function(t)
    for _, name in ipairs({ "wget", "tar", "gzip", "sh" }) do
      local path = vim.fn.exepath(name)
      if path == "" then
        return t:skip(name .. " is not here")
      end
      vim.fn.mkdir(t.dir .. "/bin", "p")
      assert(vim.uv.fs_symlink(path, t.dir .. "/bin/" .. name))
    end
    local nvim, server = begin(t, { options = { install = "download" }, env = { PATH = t.dir .. "/bin" } })
    server.files[PATH].status = 404
    is_told(t, nvim, "does not have the archive of this release")
    server.files[PATH].status = 200
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    vim.fn.delete(t.dir .. "/data", "rf")
    vim.uv.fs_unlink(t.dir .. "/bin/wget")
    is_told(t, nvim, "Neither curl nor wget is here")
  end)

  case("by the wget and the tar of BusyBox, which know less", function(t)
    local path = vim.fn.exepath("busybox")
    if path == "" then
      return t:skip("busybox is not here")
    end
    vim.fn.mkdir(t.dir .. "/bin", "p")
    for _, name in ipairs({ "wget", "tar", "sh" }) do
      assert(vim.uv.fs_symlink(path, t.dir .. "/bin/" .. name))
    end
    local nvim, server = begin(t, { options = { install = "download" }, env = { PATH = t.dir .. "/bin" } })
    server.files[PATH].status = 404
    is_told(t, nvim, "does not have the archive of this release")
    server.files[PATH].status, server.files[PATH].endless = nil, true
    is_told(t, nvim, "larger than the archive of this release")
    server.files[PATH].endless = nil
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
  end)

  case("a folder that cannot be written is named, with what to do", function(t)
    local nvim, server = begin(t, { options = { install = "download" } })
    t:file("data/nvim/conv", "a file stands where the folder has to be")
    is_told(t, nvim, "Nothing can be written in .*/data/nvim/conv.*XDG_DATA_HOME")
    t:eq(server.requests, {})
  end)

  case("two editors at once: one download, and both go on", function(t)
    local first, server = begin(t, { options = { install = "download" } })
    server.files[PATH].hold, server.files[PATH].send = true, 10
    first:cmd("ConvLogin anthropic")
    t:wait("the download", function()
      return #server.requests == 1
    end)
    local second = begin(t, { server = server, options = { install = "download" } })
    second:cmd("ConvLogin anthropic")
    t:wait("its turn", function()
      return second
        :window_text()
        :find("Another Neovim %(process " .. first.pid .. "%) is at it already: waiting")
    end)
    -- The first gives up in the middle, and the second does the work.
    server:release(PATH)
    first:lua("require('conv').cancel()")
    goes_on(t, second)
    t:eq(#server.requests, 2)
    first:cmd("ConvLogin anthropic")
    goes_on(t, first)
    t:eq(#server.requests, 2, "what the other got is used")
  end)

  case("an editor that was killed in the middle holds up nobody", function(t)
    local nvim = begin(t, { options = { install = "download" } })
    local lock = t:file("data/nvim/conv/lock", "1")
    local old = os.time() - 60
    assert(vim.uv.fs_utime(lock, old, old))
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:eq(left(t), { "installed.json", "programs" })
    -- Nor if the clock was set back since.
    vim.fn.delete(t.dir .. "/data", "rf")
    lock = t:file("data/nvim/conv/lock", "1")
    assert(vim.uv.fs_utime(lock, old + 86400, old + 86400))
    nvim:lua("_G.notes = {}; require('conv.backend').stop()")
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:eq(left(t), { "installed.json", "programs" })
  end)

  case("a program that runs and cannot be replaced is used as it is, if its sum is right", function(t)
    local nvim, server = begin(t, { options = { install = "download" } })
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    local path = found(nvim).path
    -- The record is lost, and the system refuses as Windows does.
    vim.fn.delete(t.dir .. "/data/nvim/conv/installed.json")
    nvim:lua([[
      local rename = vim.uv.fs_rename
      vim.uv.fs_rename = function(from, to)
        if vim.endswith(to, "/convocations") then
          return nil, "EPERM: operation not permitted"
        end
        return rename(from, to)
      end
      _G.notes = {}
      require("conv.backend").stop()
    ]])
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:eq(found(nvim).path, path)
    t:eq(#server.requests, 2)
    -- Another one in its place is not.
    vim.fn.delete(t.dir .. "/data/nvim/conv/installed.json")
    t:file(path:sub(#t.dir + 2), "#!/bin/sh\nexit 1\n", 448)
    nvim:lua("_G.notes = {}; require('conv.backend').stop()")
    is_told(t, nvim, "The program cannot be put into .*EPERM")
  end)

  case("a new version of the plugin asks for its program, and the other editors are told", function(t)
    local nvim, server = begin(t)
    with_an_older_one(t, nvim)
    local other = begin(t, { server = server })
    other:cmd("ConvStatus")
    t:wait("the news", function()
      return other:said("The backend is version 0%.0%.9, the plugin 0%.1%.0%. `:ConvLogin` offers the update")
    end)
    t:eq(server.requests, {}, "nothing without a yes")
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:match(nvim:lua("return _G.asked[1]"), "^The backend is 0%.0%.9, and the plugin wants 0%.1%.0%.")
    t:eq(found(nvim).version, "0.1.0")
    t:eq(nvim:lua("return require('conv.backend').hello().version"), "0.1.0")
    t:wait("the other editor to be told", function()
      return other:said("backend 0%.1%.0 was put in place by another Neovim: restart this one")
    end)
    t:ok(not nvim:said("by another Neovim"), "who did it knows")
    t:eq(other:lua("return require('conv.backend').hello().version"), "0.0.9", "what runs goes on")
  end)

  case("a release that has the program of the one before puts nothing in its place", function(t)
    local nvim, server = begin(t, { about = { version = "0.0.8" }, options = { install = "download" } })
    nvim:lua(
      [[
        local staged, target = ...
        local sum = require("conv.install.sha256").file(staged)
        assert(sum == require("conv.install.release").checksum().program)
        local record = { version = "0.0.8", target = target, sum = sum, from = "example.com", at = 1 }
        assert(not require("conv.install.installed").put(record, staged))
      ]],
      t:file("staged", releases.program(t, { version = "0.0.8" }), 448),
      releases.target()
    )
    local before = found(nvim)
    is_told(t, nvim, "holds version 0%.0%.8, and the plugin wants 0%.1%.0")
    goes_on(t, nvim)
    t:eq(found(nvim), before, "the program in use")
    t:eq(#server.requests, 1)
  end)

  case("why an update failed is not hidden by the news that there is one", function(t)
    local nvim, server = begin(t)
    server.files[PATH].status = 503
    with_an_older_one(t, nvim)
    is_told(t, nvim, "answered 503 instead of the archive")
    goes_on(t, nvim)
    t:eq(nvim:lua("return require('conv.backend').hello().version"), "0.0.9")
    t:ok(not nvim:said("`:ConvLogin` offers the update"))
    -- Whoever asks again is asked again.
    server.files[PATH].status = nil
    nvim:lua("_G.notes = {}")
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:eq(nvim:lua("return require('conv.backend').hello().version"), "0.1.0")
  end)

  case("not now is not asked again, and the older program serves", function(t)
    local nvim, server = begin(t)
    with_an_older_one(t, nvim)
    nvim:lua("vim.ui.select = function(items, opts, choose) _G.asked[#_G.asked + 1] = 1; choose(nil) end")
    for _ = 1, 2 do
      nvim:lua("_G.notes = {}")
      nvim:cmd("ConvLogin anthropic")
      goes_on(t, nvim)
    end
    t:eq(#nvim:lua("return _G.asked"), 1)
    t:eq(server.requests, {})
  end)

  case("with the option `download` it is brought up to date while the person works", function(t)
    local nvim = begin(t, { options = { install = "download" } })
    with_an_older_one(t, nvim)
    nvim:cmd("ConvStatus")
    t:wait("the update", function()
      return nvim:said("The backend was updated to version 0%.1%.0")
    end)
    t:eq(nvim:lua("return _G.asked"), {})
    t:eq(found(nvim).version, "0.1.0")
  end)

  case("back to the program before it, and no offer of that one again", function(t)
    local nvim = begin(t)
    with_an_older_one(t, nvim)
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    local message = nvim:lua("return (require('conv.install').rollback())")
    t:eq(message, "The backend is version 0.0.9 again.")
    t:eq(found(nvim).version, "0.0.9")
    nvim:lua("_G.notes, _G.asked = {}, {}")
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:eq(nvim:lua("return _G.asked"), {})
    t:eq(nvim:lua("return (require('conv.install').rollback())"), "The backend is version 0.1.0 again.")
  end)

  case("what was kept and is right is used again without a download", function(t)
    local nvim, server = begin(t, { options = { install = "download" } })
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    with_an_older_one(t, nvim)
    nvim:lua("_G.notes = {}; require('conv.backend').stop()")
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:eq(found(nvim).version, "0.1.0")
    t:eq(#server.requests, 1)
    -- One that was changed on the disk is not.
    with_an_older_one(t, nvim)
    local file = assert(
      io.open(
        nvim:lua(
          "return require('conv.install.installed').path(require('conv.install.installed').read().before)"
        ),
        "a"
      )
    )
    file:write("# changed\n")
    file:close()
    nvim:lua("_G.notes = {}; require('conv.backend').stop()")
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    t:eq(#server.requests, 2)
  end)

  case("a system without a release is told, and offered the build alone", function(t)
    local nvim, server = begin(t)
    nvim:lua([[vim.uv.os_uname = function() return { sysname = "Plan9", machine = "mips" } end]])
    nvim:lua("_G.choice = 2")
    is_told(t, nvim, "No release is made for Plan9 mips%. It can be built: with Rust")
    t:eq(nvim:lua("return _G.offered"), { "Build it now", "Not now" })
    nvim:lua("require('conv').setup({ install = 'download', release_url = ... })", server.url)
    nvim:cmd("ConvLogin anthropic")
    t:eq(#nvim:lua("return _G.asked"), 1)
  end)

  case("each system has its archive, as it names itself", function(t)
    local nvim = begin(t)
    local function file(system, machine, more)
      return nvim:lua(
        [[
          local system, machine, more = ...
          vim.uv.os_uname = function() return { sysname = system, machine = machine } end
          local has = vim.fn.has
          vim.fn.has = function(what)
            local windows = system == "Windows_NT" and 1 or 0
            return what == "win32" and windows or (what == "android" and more and 1 or has(what))
          end
          local one = { sha256 = "", size = 1, program = "" }
          package.loaded["conv.checksums"] = { version = "0.1.0", archives = {
            ["convocations-x86_64-unknown-linux-musl.tar.gz"] = one,
            ["convocations-aarch64-unknown-linux-musl.tar.gz"] = one,
            ["convocations-x86_64-pc-windows-msvc.zip"] = one,
            ["convocations-aarch64-apple-darwin.tar.gz"] = one,
            ["convocations-x86_64-apple-darwin.tar.gz"] = one,
          } }
          local release, err = require("conv.install.release").find()
          vim.fn.has = has
          return release and release.file or err.message
        ]],
        system,
        machine,
        more
      )
    end
    t:eq(file("Linux", "x86_64"), "convocations-x86_64-unknown-linux-musl.tar.gz")
    t:eq(file("Linux", "aarch64"), "convocations-aarch64-unknown-linux-musl.tar.gz")
    t:eq(file("Darwin", "arm64"), "convocations-aarch64-apple-darwin.tar.gz")
    t:eq(file("Darwin", "x86_64"), "convocations-x86_64-apple-darwin.tar.gz")
    t:eq(file("Windows_NT", "x86_64"), "convocations-x86_64-pc-windows-msvc.zip")
    t:eq(file("Windows_NT", "AMD64"), "convocations-x86_64-pc-windows-msvc.zip")
    t:eq(file("Windows_NT", "ARM64"), "convocations-x86_64-pc-windows-msvc.zip")
    t:eq(file("Linux", "riscv64"), "No release is made for Linux riscv64.")
    t:eq(file("FreeBSD", "amd64"), "No release is made for FreeBSD amd64.")
    -- It has no list of name servers where a static program looks for one.
    t:eq(file("Linux", "aarch64", true), "No release is made for Android aarch64.")
  end)

  case("the releases are those of the repository that the plugin was cloned from", function(t)
    local nvim = begin(t)
    nvim:lua("vim.g.conv = {}; require('conv').setup({})")
    local function url(config)
      t:file("plugin-folder/.git/config", config)
      return nvim:lua([[
        local release, err = require("conv.install.release").find()
        return release and release.url:gsub("/convocations%-.*$", "") or err.message
      ]])
    end
    local function origin(address)
      return url(('[core]\n\tbare = false\n[remote "origin"]\n\turl = %s\n\tfetch = +x\n'):format(address))
    end
    local github = "https://github.com/someone/conv.nvim/releases/download/v0.1.0"
    for _, address in ipairs({
      "https://github.com/someone/conv.nvim",
      "https://github.com/someone/conv.nvim.git",
      "https://me:token@github.com/someone/conv.nvim.git",
      "git@github.com:someone/conv.nvim.git",
      "ssh://git@github.com:22/someone/conv.nvim.git",
    }) do
      t:eq(origin(address), github, address)
    end
    t:eq(
      origin("https://gitlab.com/someone/conv.nvim.git"),
      "https://gitlab.com/someone/conv.nvim/-/releases/v0.1.0/downloads"
    )
    t:match(origin("/srv/git/conv.nvim"), "does not say where it came from")
    t:match(url(""), "does not say where it came from")
    -- No clone, but files of a release: a rock, or an archive of the sources.
    nvim:lua([[
      local checksums = require("conv.checksums")
      checksums.repository = "https://github.com/someone/else.nvim"
    ]])
    t:eq(url(""), "https://github.com/someone/else.nvim/releases/download/v0.1.0")
    t:eq(origin("https://github.com/someone/conv.nvim"), github, "the clone comes first")
    -- A worktree, or a submodule of somebody's dotfiles.
    origin("https://github.com/someone/conv.nvim")
    assert(vim.uv.fs_rename(t.dir .. "/plugin-folder/.git", t.dir .. "/elsewhere"))
    t:file("elsewhere/worktrees/here/commondir", "../..\n")
    t:file("plugin-folder/.git", "gitdir: ../elsewhere/worktrees/here\n")
    t:eq(
      nvim:lua([[return (require("conv.install.release").find().url:gsub("/convocations%-.*$", ""))]]),
      github
    )
  end)

  case(
    "without a release, or with files that are newer than the plugin in use, nothing is offered",
    function(t)
      local nvim = begin(t)
      nvim:lua("_G.choice = 2; package.loaded['conv.checksums'].version = '0.2.0'")
      nvim:cmd("ConvLogin anthropic")
      t:wait("the sentence", function()
        return nvim:said("The plugin in use is 0%.1%.0, its files are 0%.2%.0%. Restart Neovim")
      end)
      -- Files between two releases, by their version or by what they speak: no program of the last.
      for _, last in ipairs({ { version = "0.0.9" }, { protocol = -1 } }) do
        nvim:lua(
          [[
            local checksums = package.loaded["conv.checksums"]
            checksums.version = "0.1.0"
            package.loaded["conv.checksums"] = vim.tbl_extend("force", checksums, ...)
            _G.notes = {}
          ]],
          last
        )
        nvim:cmd("ConvLogin anthropic")
        t:wait("the sentence", function()
          return nvim:said("No release belongs to this state of the plugin%. Build it, .* tagged versions")
        end)
        t:eq(nvim:lua("return _G.offered"), { "Build it now", "Not now" })
      end
      nvim:lua("package.loaded['conv.checksums'] = { archives = {} }; _G.notes = {}")
      nvim:cmd("ConvLogin anthropic")
      t:wait("the sentence", function()
        return nvim:said("not here yet")
      end)
      t:eq(nvim:lua("return _G.offered"), { "Build it now", "Not now" })
    end
  )

  case(":checkhealth says which program, from where, and whether its sum is the repository's", function(t)
    local nvim = begin(t, { options = { install = "download" } })
    nvim:cmd("ConvLogin anthropic")
    goes_on(t, nvim)
    local function health()
      nvim:cmd("checkhealth conv")
      return table.concat(nvim:lua("return vim.api.nvim_buf_get_lines(0, 0, -1, false)"), "\n")
    end
    t:match(health(), "Program: .*/data/nvim/conv/programs/0%.1%.0%-%x+/convocations %(downloaded from 127")
    t:match(health(), "OK Its sum is the one in the plugin's repository")
    local file = assert(io.open(found(nvim).path, "a"))
    file:write("# changed\n")
    file:close()
    t:match(health(), "ERROR Its sum is not the one in the plugin's repository")
  end)

  case("sums are those of other programs, at every length around a block", function(t)
    local nvim = t:editor()
    t:eq(
      nvim:lua([[
        local wrong = {}
        for _, length in ipairs({ 0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 1000, 300000 }) do
          local text = ("conv"):rep(math.ceil(length / 4)):sub(1, length)
          if require("conv.install.sha256").text(text) ~= vim.fn.sha256(text) then
            table.insert(wrong, length)
          end
        end
        return wrong
      ]]),
      {}
    )
  end)
end
