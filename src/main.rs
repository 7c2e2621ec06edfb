//! The `convocations` program.

use std::alloc::System;

use zeroizing_alloc::ZeroAlloc;

/// Whatever is given back is wiped (rule 18): a secret passes through buffers of HTTP, TLS, JSON and msgpack
/// that know nothing of [`convocations::secret::Secret`].
#[global_allocator]
static HEAP: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> std::process::ExitCode {
    convocations::cli::run()
}
