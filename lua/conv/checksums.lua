-- The sums of the release that belongs to this plugin, by the names of its archives. Written by
-- `make checksums` before the release is tagged, so that they come from another place than the archives do.
-- Without a release there is none, and nothing is offered for download.

---@class (exact) conv.Checksum
---@field sha256 string of the archive
---@field size integer bytes of the archive
---@field program string SHA-256 of the program in it

---@class (exact) conv.Checksums
---@field version? string
---@field protocol? integer that the programs speak
---@field repository? string page that the release is of
---@field archives table<string, conv.Checksum>

---@type conv.Checksums
return {
  version = nil,
  protocol = nil,
  repository = nil,
  archives = {},
}
