//! The addresses that MCP servers of 2025-03-26 have by default, at their origin.

use crate::generic::switches::OldMcp;
use crate::generic::{authorize, register, token};
use crate::reply::Reply;
use crate::request::Request;
use crate::world::World;

pub fn register(world: &mut World, request: &Request) -> Reply {
    by_default(world, request, register::register)
}

pub fn authorize(world: &mut World, request: &Request) -> Reply {
    by_default(world, request, authorize::authorize)
}

pub fn token(world: &mut World, request: &Request) -> Reply {
    by_default(world, request, token::token)
}

fn by_default(world: &mut World, request: &Request, answer: fn(&mut World, &Request) -> Reply) -> Reply {
    match world.switches.generic.old_mcp {
        OldMcp::Defaults => answer(world, request),
        _ => Reply::text(404, "text/plain", "Not Found"),
    }
}
