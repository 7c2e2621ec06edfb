//! Which handler answers a path. Every provider brings its own table; the names are what `/_control` speaks
//! of.

use warp::http::Method;

use crate::reply::Reply;
use crate::request::Request;
use crate::world::World;
use crate::{
    anthropic, chat, generic, github, google, huggingface, keys, kimi, llmgateway, nanogpt, openai,
    openrouter, pages, poe, tetrate, usage, workload,
};

/// What answers a request.
pub type Handler = fn(&mut World, &Request) -> Reply;

/// One line of a provider's table.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    pub name: &'static str,
    /// `*`: the handler looks at the method itself.
    pub method: &'static str,
    /// A `*` at the end stands for any rest.
    pub path: &'static str,
    pub handler: Handler,
}

impl Route {
    /// A line of a table.
    pub const fn new(name: &'static str, method: &'static str, path: &'static str, handler: Handler) -> Self {
        Self { name, method, path, handler }
    }

    fn is_at(&self, path: &str) -> bool {
        match self.path.strip_suffix('*') {
            Some(start) => path.starts_with(start),
            None => path == self.path,
        }
    }

    fn takes(&self, method: &Method) -> bool {
        self.method == "*" || method.as_str() == self.method
    }
}

const TABLES: &[&[Route]] = &[
    openrouter::ROUTES,
    anthropic::ROUTES,
    github::ROUTES,
    openai::ROUTES,
    google::ROUTES,
    generic::ROUTES,
    huggingface::ROUTES,
    kimi::ROUTES,
    llmgateway::ROUTES,
    nanogpt::ROUTES,
    poe::ROUTES,
    tetrate::ROUTES,
    usage::ROUTES,
    workload::ROUTES,
    keys::ROUTES,
    chat::ROUTES,
    pages::ROUTES,
];

/// All tables.
pub fn all() -> impl Iterator<Item = &'static Route> {
    TABLES.iter().copied().flatten()
}

/// The route of a request; one that answers 404 or 405 if there is none.
pub fn find(request: &Request) -> Route {
    let at_path = || all().filter(|route| route.is_at(&request.path));
    if let Some(route) = at_path().find(|route| route.takes(&request.method)) {
        return *route;
    }
    match at_path().next() {
        Some(route) => Route { handler: wrong_method, ..*route },
        None => Route::new("unknown", "*", "*", unknown),
    }
}

fn wrong_method(_: &mut World, _: &Request) -> Reply {
    Reply::text(405, "text/plain", "Method Not Allowed")
}

fn unknown(_: &mut World, _: &Request) -> Reply {
    Reply::text(404, "text/plain", "Not Found")
}
