//! Convocations: sign in to AI providers once, and hand out tokens that are always fresh.
//!
//! Who knows what; an arrow points at what a module may use, and `make lint` holds the code against this
//! table: no arrow that is not here, none that nobody needs any more, no circle, neither here nor
//! between the files of a module.
//!
//! All of them may use the plain words in `error`, `secret`, `clock`, `paths`, `login_id`, `credential`,
//! `protocol`, `tasks`, `text`, `template`, `html`, `random`, `loopback` and `wording`, which use nothing but
//! each other.
//!
//! | module | subject | may use |
//! |---|---|---|
//! | [`cli`] | the command line, and the program's way in: it starts the other faces | agent, authority, editor, gateway, broker, login, services, command, remote, config, provider, store (status only), http, log, signals, descriptors |
//! | [`editor`] | the msgpack-RPC face of Neovim; never sees HTTP or files | agent, broker, gateway, login, services, remote, config, store (status only), signals |
//! | [`gateway`] | a local address that adds the credential to each request | broker, remote, config, provider, http, bounded_server, descriptors |
//! | [`agent`] | grants: some logins, lent to whoever reaches a socket; knows neither ssh nor Docker | broker, gateway, config, provider, bounded_server, private_file |
//! | [`broker`] | "a fresh credential for this login": sources, memory, single flight, refresh schedule | services, remote, oauth, command, workload, store, provider, config, http |
//! | [`login`] | a login in progress: state machine, loopback listener, pasted text, device code | services, oauth, command, store, provider, config, bounded_server |
//! | [`services`] | what everything that works on logins is given | config, store, http, remote |
//! | [`workload`] | what this machine can prove of itself: its identity token | oauth, command, provider, http |
//! | [`command`] | runs a command of the person's settings for what it prints | provider, descriptors |
//! | [`oauth`] | the protocol on the wire; knows no store | http, provider (descriptions) |
//! | [`store`] | index, keyring, encrypted file, locks, the app's key; knows no network | config (its own section), private_file |
//! | [`config`] | the settings files and the editor's options, checked and merged over the built-in descriptions | provider, private_file |
//! | [`provider`] | descriptions as data | |
//! | [`authority`] | the OAuth provider in front of OpenRouter | http, bounded_server, private_file, descriptors |
//! | [`bounded_server`] | connections within bounds, and HTTP on them: a warp filter or any other service | peer, descriptors |
//! | [`remote`] | the agent of another machine that lends logins here; writes nothing here | peer |
//! | [`http`] | one client: limits, time, trust, no redirects, errors without secrets; the way to a server, step by step | private_file |
//! | [`log`] | the log: one file for all processes, redacted and rotated; every module writes to it by `tracing` | private_file |
//! | [`peer`] | whose program is at the other end of a connection | descriptors |
//! | [`descriptors`] | how many connections and files this process may have open | |
//! | [`private_file`] | files that only their owner may read, and whom a file can be trusted by | |
//! | [`heap`] | the heap that `main` gives the program | |
//! | [`signals`] | being asked to end | |
//! | `fuzzing` | what the fuzzers feed; in tests and under cargo-fuzz only | everything |
//! | `test_support` | what the unit tests' own program counts; in tests only | |

pub mod agent;
pub mod authority;
pub mod bounded_server;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod command;
pub mod config;
pub mod credential;
pub mod descriptors;
pub mod editor;
pub mod error;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
pub mod gateway;
pub mod heap;
pub mod html;
pub mod http;
pub mod log;
pub mod login;
pub mod login_id;
pub mod loopback;
pub mod oauth;
pub mod paths;
pub mod peer;
pub mod private_file;
pub mod protocol;
pub mod provider;
pub mod random;
pub mod remote;
pub mod secret;
pub mod services;
pub mod signals;
pub mod store;
pub mod tasks;
pub mod template;
#[cfg(test)]
mod test_support;
pub mod text;
pub mod wording;
pub mod workload;
