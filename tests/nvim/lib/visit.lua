-- A browser in a process of its own, for a page that takes its time: `nvim -l visit.lua URL`.
package.path = vim.fs.dirname(_G.arg[0]) .. "/?.lua;" .. package.path
require("person").visit(_G.arg[1])
