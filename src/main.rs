//! The `convocations` program.

use convocations::heap::Heap;
use zeroizing_alloc::ZeroAlloc;

/// Whatever is given back is wiped (rule 18): a secret passes through buffers of HTTP, TLS, JSON and msgpack
/// that know nothing of [`convocations::secret::Secret`].
#[global_allocator]
static HEAP: ZeroAlloc<Heap> = ZeroAlloc(Heap::new());

fn main() -> std::process::ExitCode {
    convocations::cli::run()
}
